"""The embedded database's write-ahead log has its length in advance, and nobody's commit carries it over."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import copyfile

import pytest
from structlog.testing import capture_logs

from swarming_common.database.sqlite_log import RESERVED_BYTES, LogKeeper

PATIENCE_SECONDS = 20.0
PAGE_BYTES = 4096


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "a.db"


@pytest.fixture
def writer(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file, isolation_level=None, timeout=PATIENCE_SECONDS)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")
    yield connection
    connection.close()


def log_of(file: Path) -> Path:
    return Path(f"{file}-wal")


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def write(connection: sqlite3.Connection, numbers: range) -> None:
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO numbers VALUES (?)", [[n] for n in numbers])
    connection.execute("COMMIT")


def numbers_in_a_copy(file: Path, folder: Path) -> list[int]:
    """What another process finds after this one was killed."""
    folder.mkdir()
    copyfile(file, folder / "a.db")
    copyfile(log_of(file), folder / "a.db-wal")
    connection = sqlite3.connect(folder / "a.db")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return [n for (n,) in connection.execute("SELECT n FROM numbers ORDER BY n")]
    finally:
        connection.close()


def test_what_is_committed_before_during_and_after_stays(file: Path, writer: sqlite3.Connection, tmp_path: Path):
    write(writer, range(100))
    keeper = LogKeeper(file, first_seconds=0.0, round_seconds=0.001)
    try:
        written = 100
        while log_of(file).stat().st_size < RESERVED_BYTES:
            write(writer, range(written, written + 1))
            written += 1
            time.sleep(0.001)  # for the keeper to get a turn
        write(writer, range(written, written + 300))
    finally:
        keeper.close()

    assert numbers_in_a_copy(file, tmp_path / "killed") == list(range(written + 300))
    assert log_of(file).stat().st_size >= RESERVED_BYTES


def test_the_log_is_carried_over(file: Path, writer: sqlite3.Connection):
    write(writer, range(5_000))
    [(pages,)] = writer.execute("PRAGMA page_count")
    keeper = LogKeeper(file, first_seconds=0.0, round_seconds=0.001)
    try:
        wait_until(lambda: file.stat().st_size == pages * PAGE_BYTES)
    finally:
        keeper.close()


def test_without_a_file_it_says_so_and_goes_on(tmp_path: Path):
    with capture_logs() as said:
        keeper = LogKeeper(tmp_path / "nowhere" / "a.db", first_seconds=0.0, round_seconds=0.001)
        try:
            wait_until(lambda: len(said) > 1)
        finally:
            keeper.close()
    assert {one["event"] for one in said} == {"sqlite_log_not_kept"}
