"""Which errors mean that the disk of this machine cannot be written, and whether it can be by now."""

from __future__ import annotations

import errno
import os
import tempfile
from typing import Optional

FULL = "the bot's disk is full"
_REASONS = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: "the bot's disk is read-only",
    errno.EIO: "the bot's disk fails",
}
PROBE_BYTES = 8 * 1024 * 1024
"""A disk with less room than this is full: a run keeps up to half of it in a file before it is sent."""


def disk_failure(error: Optional[BaseException]) -> Optional[str]:
    """What is wrong with the disk, in words; None for an error that is not the disk's."""
    return _REASONS.get(error.errno or 0) if isinstance(error, OSError) else None


def probe_disk(folder: str) -> Optional[str]:
    """Write a file of PROBE_BYTES and remove it. What is wrong, in words; None if the disk can be written."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            left = PROBE_BYTES
            while left > 0:
                left -= file.write(bytes(min(left, 1024 * 1024)))
            os.fsync(file.fileno())
    except OSError as error:
        return disk_failure(error) or f"{folder} cannot be written: {error.strerror}"
    return None
