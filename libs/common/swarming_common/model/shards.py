"""Which shard of the scheduler a pool belongs to."""

from zlib import crc32

DEFAULT_SHARD_COUNT = 16
"""Enough to share out over a handful of schedulers; a stored setting, since a change moves every pool."""


def shard_of_pool(pool: str, shard_count: int = DEFAULT_SHARD_COUNT) -> int:
    """A stable hash: the same in every process and release."""
    return crc32(pool.encode()) % shard_count
