"""The output of a run between the process that writes it and the server that takes it."""

from __future__ import annotations

import tempfile
import threading
from typing import Tuple

LARGEST_CHUNK_BYTES = 250_000  # raw bytes in one update (bot-api.md section 6)
MEMORY_BYTES = 4 * 1024 * 1024  # beyond this the output waits in a file: 50 bots share one process
# Beyond this the process waits for the server, as it would for a slow terminal, rather than fill the disk.
DISK_BYTES = 512 * 1024 * 1024


class Output:
    """Keeps bytes until they are acknowledged, by their offset in the run's whole output.

    One thread appends while another sends. Chunks are contiguous; an unacknowledged one is handed out again.
    """

    def __init__(self, folder: str) -> None:
        self._lock = threading.Lock()
        self._kept = tempfile.SpooledTemporaryFile(MEMORY_BYTES, dir=folder)  # noqa: SIM115 closed by close()
        self._kept_start = 0
        self._end = 0
        self._acknowledged = 0

    @property
    def unsent(self) -> int:
        """Bytes not acknowledged yet."""
        return self._end - self._acknowledged

    @property
    def has_room(self) -> bool:
        """Whether more should be read from the process now."""
        return self._end - self._kept_start < DISK_BYTES

    def append(self, data: bytes) -> None:
        with self._lock:
            self._kept.seek(self._end - self._kept_start)
            self._kept.write(data)
            self._end += len(data)

    def next_chunk(self) -> Tuple[int, bytes]:
        """The oldest bytes not acknowledged, at most a chunk of them, and their offset."""
        with self._lock:
            self._kept.seek(self._acknowledged - self._kept_start)
            return self._acknowledged, self._kept.read(LARGEST_CHUNK_BYTES)

    def acknowledge(self, end: int) -> None:
        """The server has everything before the offset `end`."""
        with self._lock:
            self._acknowledged = end
            if end == self._end:
                self._kept.seek(0)
                self._kept.truncate()
                self._kept_start = end

    def close(self) -> None:
        self._kept.close()
