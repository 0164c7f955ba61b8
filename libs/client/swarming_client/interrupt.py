"""Ctrl-C cancels the task; whatever else ends the command before its task has ended leaves that alone and says so."""

from __future__ import annotations

import signal
import threading
from contextlib import suppress
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from swarming_client.console import Console
from swarming_client.errors import SwarmingError
from swarming_client.exit_code import SIGNALED

if TYPE_CHECKING:
    from swarming_client.api import Swarming

INTERRUPTED = SIGNALED + signal.SIGINT
LEAVING_SIGNALS = {signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}  # Windows has no SIGHUP
LAST_WORD_SECS = 2.0  # how long an impatient leave waits for the cancel to be sent


class CancelOnInterrupt:
    """While it is entered, the first Ctrl-C cancels the task and the second raises KeyboardInterrupt.

    SIGTERM and SIGHUP raise SystemExit. Whoever leaves by an exception is told what becomes of the task.
    The cancel is sent from a thread, so that following goes on and no output is lost or printed twice.
    Only for the main thread.
    """

    def __init__(self, client: Swarming, console: Console) -> None:
        self._client = client
        self._console = console
        self._task_id: str | None = None
        self._sender: threading.Thread | None = None
        self._cancel_answered = False
        self._before: dict[int, Any] = {}
        self.happened = False

    def __enter__(self) -> Self:
        handlers = {signal.SIGINT: self._on_interrupt, **dict.fromkeys(LEAVING_SIGNALS, self._leave)}
        for number, handler in handlers.items():
            if signal.getsignal(number) is not signal.SIG_IGN:  # as in a shell's background job, or under nohup
                self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._sender:
                self._sender.join(LAST_WORD_SECS)
        finally:  # even if somebody has no patience for the last word
            for number, before in self._before.items():
                signal.signal(number, before)
            if error is not None:
                with suppress(OSError):  # a terminal that was closed
                    self._tell_what_is_left(error)

    def watch_over(self, task_id: str) -> None:
        """From now on this is the task to cancel; an interrupt that came before is made good."""
        self._task_id = task_id
        if self.happened:
            self._start(self._cancel)

    def _tell_what_is_left(self, error: BaseException) -> None:
        if self._task_id is None:
            if not isinstance(error, SwarmingError):  # which says itself what became of the submission
                self._console.say("it is unknown whether the task was submitted; `swarming tasks` lists it if it was")
        elif not self._cancel_answered:
            goes_on = "may go on" if self.happened else "goes on"
            self._console.say(
                f"task {self._task_id} {goes_on} without us; `swarming collect {self._task_id}` takes it up again"
            )

    def _leave(self, number: int, frame: FrameType | None) -> None:
        raise SystemExit(SIGNALED + number)

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
            self._cancel_answered = True  # if it was not ok, the task has ended
        except SwarmingError as error:
            self._console.say(f"could not cancel: {error}")
