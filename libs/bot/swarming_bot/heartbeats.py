"""Tell the server that a run is being prepared, while its bot is busy with that."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Callable, Optional, Type

PAUSE_SECONDS = 2.0  # also how late a cancel may be heard of


class Heartbeats:
    """Sends an update every few seconds from a thread of its own, which has the connection while the block lasts."""

    def __init__(self, send: Callable[[], bool]) -> None:
        """send: sends one update, says whether the run must stop."""
        self._send = send
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"{threading.current_thread().name}-heart", daemon=True)
        self.must_stop = False
        self.error: Optional[Exception] = None

    @property
    def go_on(self) -> bool:
        """Whether the run is wanted, as far as anybody heard."""
        return not self.must_stop and self.error is None

    def __enter__(self) -> Heartbeats:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._over.set()
        self._thread.join()

    def _beat(self) -> None:
        while self.go_on and not self._over.wait(PAUSE_SECONDS):
            try:
                self.must_stop = self._send()
            except Exception as error:  # handed to the thread that prepares
                self.error = error
