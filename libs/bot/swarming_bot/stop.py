"""Ask one bot to stop, from any thread, and wake it wherever it waits."""

from __future__ import annotations

import contextlib
import os
import threading
from typing import Callable, Optional

from swarming_bot.boot_clock import boot_seconds


class Stop:
    """Whether, and since when, a bot has been asked to stop.

    A thread that waits in poll(2) adds `fileno()` to what it waits for: it is readable after each `wake()`.
    """

    def __init__(self) -> None:
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        os.set_blocking(self._writer, False)
        self.since: Optional[float] = None  # boot seconds
        self.on_request: Callable[[], None] = lambda: None

    @property
    def requested(self) -> bool:
        return self._event.is_set()

    def request(self) -> None:
        """Ask the bot to stop. Safe from any thread, and more than once; not from a signal handler."""
        if self.since is None:
            self.since = boot_seconds()
        self._event.set()
        self.wake()
        self.on_request()

    def wait(self, seconds: float) -> bool:
        """Wait until a stop is requested, at most so long; say whether it was."""
        return self._event.wait(max(0.0, seconds))

    def fileno(self) -> int:
        return self._reader

    def wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):  # a full pipe wakes just as well
            if self._writer >= 0:
                os.write(self._writer, b"!")

    def clear_wake(self) -> None:
        """Forget past wake-ups, before looking at what they may have been about."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._reader, 4096)

    def close(self) -> None:
        """Close the descriptors; asking to stop is still allowed, and does nothing."""
        with self._lock:
            if self._writer >= 0:
                os.close(self._writer)
                os.close(self._reader)
                self._writer = self._reader = -1
