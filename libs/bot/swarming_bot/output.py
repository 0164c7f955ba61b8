"""The output of a run between the process that writes it and the server that takes it."""

from __future__ import annotations

import logging
import shutil
import tempfile
import threading
from typing import BinaryIO, Tuple

log = logging.getLogger(__name__)

LARGEST_CHUNK_BYTES = 250_000  # raw bytes in one update (bot-api.md section 6)
MEMORY_BYTES = 4 * 1024 * 1024  # beyond this the output waits in a file: 50 bots share one process
# A server keeps no more than this of a run. What comes after it is read, so that the process goes on, and dropped.
MOST_BYTES = 100 * 1024 * 1024


class Output:
    """Keeps bytes until they are acknowledged, by their offset in the run's whole output.

    One thread appends while another sends. Chunks are contiguous; an unacknowledged one is handed out again.
    However long the server is away, at most MOST_BYTES wait on the disk.
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
    def unsent_start(self) -> int:
        """The offset of the oldest byte not acknowledged yet."""
        return self._acknowledged

    def copy_unsent(self, file: BinaryIO) -> None:
        """Write all bytes not acknowledged yet to a file."""
        with self._lock:
            self._kept.seek(self._acknowledged - self._kept_start)
            shutil.copyfileobj(self._kept, file, MEMORY_BYTES)

    def append(self, data: bytes) -> None:
        with self._lock:
            if len(data) > MOST_BYTES - self._end:
                if self._end < MOST_BYTES:
                    log.warning("output_cut bytes=%d", MOST_BYTES)
                data = data[: MOST_BYTES - self._end]
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
