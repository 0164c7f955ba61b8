"""Ctrl-C cancels the task; a second one leaves without waiting for its end."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from swarming_client.console import Console
from swarming_client.errors import SwarmingError

if TYPE_CHECKING:
    from swarming_client.api import Swarming

INTERRUPTED = 130  # 128 + SIGINT, as shells have it
LAST_WORD_SECS = 2.0  # how long an impatient leave waits for the cancel to be sent


class CancelOnInterrupt:
    """While it is entered, the first Ctrl-C cancels the task and the second raises KeyboardInterrupt.

    The cancel is sent from a thread, so that following goes on and no output is lost or printed twice.
    Only for the main thread.
    """

    def __init__(self, client: Swarming, console: Console) -> None:
        self._client = client
        self._console = console
        self._task_id: str | None = None
        self._sender: threading.Thread | None = None
        self._before: Any = None
        self.happened = False

    def __enter__(self) -> Self:
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as a shell's background job is started
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sender:
            self._sender.join(LAST_WORD_SECS)
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def watch_over(self, task_id: str) -> None:
        """From now on this is the task to cancel; an interrupt that came before is made good."""
        self._task_id = task_id
        if self.happened:
            self._start(self._cancel)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.happened:
            raise KeyboardInterrupt
        self.happened = True
        self._start(self._cancel if self._task_id else self._promise)

    def _start(self, action: Any) -> None:
        # A signal handler must not print itself: it may have interrupted a print.
        self._sender = threading.Thread(target=action, daemon=True)
        self._sender.start()

    def _promise(self) -> None:
        self._console.say("the task will be canceled as soon as the server has it (Ctrl-C again: leave now)")

    def _cancel(self) -> None:
        assert self._task_id
        self._console.say(f"canceling task {self._task_id} (Ctrl-C again: leave without waiting)")
        try:
            self._client.cancel(self._task_id, kill_running=True)
        except SwarmingError as error:
            self._console.say(f"could not cancel: {error}")
