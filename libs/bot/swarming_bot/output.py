"""The output of a run between the process that writes it and the server that takes it."""

from __future__ import annotations

import errno
import io
import logging
import shutil
import tempfile
import threading
from typing import BinaryIO, Optional, Tuple, cast

log = logging.getLogger(__name__)

LARGEST_CHUNK_BYTES = 250_000  # raw bytes in one update (bot-api.md section 6)
MEMORY_BYTES = 4 * 1024 * 1024  # beyond this the output waits in a file: 50 bots share one process
# A server keeps no more than this of a run. What comes after it is read, so that the process goes on, and dropped.
MOST_BYTES = 100 * 1024 * 1024


class Output:
    """Keeps bytes until they are acknowledged, by their offset in the run's whole output.

    One thread appends while another sends. Chunks are contiguous; an unacknowledged one is handed out again.
    However long the server is away, at most MOST_BYTES wait on the disk.

    failure: why output is dropped from here on, the disk being full, say; None as long as all is kept. What was kept
    before is still handed out.
    """

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._kept: BinaryIO = io.BytesIO()
        self._is_in_memory = True
        self._kept_start = 0
        self._end = 0
        self._acknowledged = 0
        self.failure: Optional[OSError] = None

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
        """Keep these bytes, unless too many came already, or the disk failed."""
        with self._lock:
            if len(data) > MOST_BYTES - self._end:
                if self._end < MOST_BYTES:
                    log.warning("output_cut bytes=%d", MOST_BYTES)
                data = data[: MOST_BYTES - self._end]
            if self.failure is not None:
                return
            try:
                self._keep(data)
            except OSError as error:
                log.error("output_not_kept offset=%d error=%s", self._end, error)
                self.failure = error

    def next_chunk(self) -> Tuple[int, bytes]:
        """The oldest bytes not acknowledged, at most a chunk of them, and their offset. Raises OSError if they cannot
        be read any more, so that no caller asks again and again."""
        with self._lock:
            self._kept.seek(self._acknowledged - self._kept_start)
            chunk = self._kept.read(min(LARGEST_CHUNK_BYTES, self.unsent))
            if not chunk and self.unsent:
                raise OSError(errno.EIO, "output that was kept cannot be read")
            return self._acknowledged, chunk

    def drop_unsent(self) -> None:
        """Give up what was kept and cannot be read any more."""
        with self._lock:
            self._acknowledged = self._end

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

    def _keep(self, data: bytes) -> None:
        if self._is_in_memory and self._end - self._kept_start + len(data) > MEMORY_BYTES:
            self._move_to_disk()
        self._kept.seek(self._end - self._kept_start)
        written = 0
        while written < len(data):  # a file takes what there is room for, and fails at the next attempt
            size = self._kept.write(data[written:])
            written += size
            self._end += size

    def _move_to_disk(self) -> None:
        # Unbuffered: what a write does not raise for is in the file.
        file = cast(BinaryIO, tempfile.TemporaryFile(dir=self._folder, buffering=0))  # noqa: SIM115 closed by close()
        try:
            content = cast(io.BytesIO, self._kept).getvalue()
            written = 0
            while written < len(content):
                written += file.write(content[written:])
        except BaseException:
            file.close()
            raise
        self._kept, self._is_in_memory = file, False
