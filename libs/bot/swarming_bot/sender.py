"""Send updates from a thread of its own, so that the process is watched while the server is slow."""

from __future__ import annotations

import queue
import threading
from typing import Callable, Optional


class Sender:
    """Sends one update at a time. The thread starts with the first: most short tasks never need it."""

    def __init__(self, send: Callable[[], bool], wake: Callable[[], None]) -> None:
        """send: sends one update and says whether the run must stop; wake: called after each."""
        self._send = send
        self._wake = wake
        self._orders: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._thread: Optional[threading.Thread] = None
        self.is_busy = False
        self.must_stop = False
        self.error: Optional[Exception] = None

    def start(self) -> None:
        """Begin to send an update; call only when not busy."""
        self.is_busy = True
        if self._thread is None:
            name = f"{threading.current_thread().name}-sender"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()
        self._orders.put(True)

    def finish(self) -> None:
        """Wait for the update under way; afterwards the connection is free for the caller."""
        if self._thread is not None:
            self._orders.put(False)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while self._orders.get():
            try:
                if self._send():
                    self.must_stop = True
            except Exception as error:  # handed to the thread that watches the process
                self.error = error
            self.is_busy = False
            self._wake()
