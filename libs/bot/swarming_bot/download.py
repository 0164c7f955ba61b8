"""Download one file, so that whoever waits for it can leave at any moment."""

from __future__ import annotations

import hashlib
import threading
from typing import BinaryIO, Callable, Optional

from swarming_bot.disk_failure import disk_failure
from swarming_bot.errors import BotError, DiskFailure, Interrupted
from swarming_bot.proxies import new_opener

TIMEOUT_SECONDS = 60.0  # without a byte
READ_BYTES = 256 * 1024
LOOK_SECONDS = 0.1  # how often the one who waits looks up


class Download:
    """Fetches a URL into an open file, from a thread of its own.

    To look up a name, to connect and to read may each take a minute in which nothing else can be done.
    """

    def __init__(self, url: str, file: BinaryIO) -> None:
        self._url = url
        self._file = file
        self._over = threading.Event()
        self._is_abandoned = False
        self._digest = hashlib.sha256()
        self._error: Optional[Exception] = None

    def wait(self, goes_on: Callable[[], bool]) -> str:
        """Download now; the sha256 of what came. Raises Interrupted once goes_on says no, and what goes_on raises.

        Otherwise raises DiskFailure or BotError when the file cannot be written, OSError or HTTPException for a server
        that does not serve, and ValueError for what is no URL. The file may be closed afterwards, whatever happened.
        """
        name = f"{threading.current_thread().name}-download"
        threading.Thread(target=self._work, name=name, daemon=True).start()
        try:
            while goes_on():
                if self._over.wait(LOOK_SECONDS):
                    break
            else:
                raise Interrupted
        finally:
            self._is_abandoned = True
        if self._error is not None:
            raise self._error
        return self._digest.hexdigest()

    def _work(self) -> None:
        try:
            self._fetch()
        except Exception as error:  # handed to the thread that waits
            self._error = error
        self._over.set()

    def _fetch(self) -> None:
        with new_opener().open(self._url, timeout=TIMEOUT_SECONDS) as response:
            expected: Optional[int] = response.length
            received = 0
            while not self._is_abandoned and received != expected:
                piece = response.read1(READ_BYTES if expected is None else min(READ_BYTES, expected - received))
                if not piece:
                    break
                received += len(piece)
                self._digest.update(piece)
                self._store(piece)
        if expected is not None and received < expected:
            raise ConnectionError(f"{received} bytes came of {expected}")

    def _store(self, piece: bytes) -> None:
        try:
            self._file.write(piece)
        except OSError as error:
            reason = disk_failure(error)
            if reason is not None:
                raise DiskFailure(reason) from error
            raise BotError(f"{self._url} cannot be stored: {error}") from error
