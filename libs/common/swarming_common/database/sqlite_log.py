"""Keeps SQLite's write-ahead log out of the way of commits.

A commit that makes the log's file longer waits for the file system's journal too, several times as long as for the
data alone: so the file gets its length in advance. And a commit that finds a long log would by itself carry it over
into the database, while its caller waits: here that is a thread's work.
"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import structlog

log = structlog.get_logger(__name__)

FIRST_SECONDS = 1.0
"""After its start a service has more urgent work, and what lives for less has no use for a long log."""
ROUND_SECONDS = 2.0
RESERVED_BYTES = 16 * 2**20
"""The pages of several hundred tasks: on a system that is not busy they are carried over within a round."""


class LogKeeper:
    """A thread with a connection of its own, until it is closed."""

    def __init__(self, file: Path, first_seconds: float = FIRST_SECONDS, round_seconds: float = ROUND_SECONDS) -> None:
        self._file = file
        self._pauses = first_seconds, round_seconds
        self._stopping = Event()
        self._thread = Thread(target=self._keep, name="sqlite-log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop. Whoever closes the last connection carries over the rest."""
        self._stopping.set()
        self._thread.join()

    def _keep(self) -> None:
        pause, next_pause = self._pauses
        while not self._stopping.wait(pause):
            pause = next_pause
            try:
                with closing(sqlite3.connect(self._file, isolation_level=None, timeout=10.0)) as connection:
                    _reserve(connection, Path(f"{self._file}-wal"))
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
            except (sqlite3.Error, OSError) as error:  # if the disk is full, say, commits tell of it themselves
                log.warning("sqlite_log_not_kept", reason=str(error))


def _reserve(connection: sqlite3.Connection, log_file: Path) -> None:
    """Lengthen the file with zeros, which SQLite takes for the log's end; meanwhile nobody may write to it."""
    if log_file.stat().st_size >= RESERVED_BYTES:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        with log_file.open("ab") as file:
            file.write(bytes(max(0, RESERVED_BYTES - file.tell())))
            file.flush()
            os.fsync(file.fileno())
    finally:
        connection.execute("ROLLBACK")
