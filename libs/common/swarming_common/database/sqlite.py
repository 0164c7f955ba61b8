"""The embedded database: SQLite in WAL mode, every commit on disk before it is acknowledged.

One writer thread serves the whole process: what callers brought while the last commit was under way goes into one
transaction, with a savepoint each. Readers have a few threads of their own and never wait for the writer.
"""

import asyncio
import fcntl
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread, local
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine, event

from swarming_common.database.failures import translated
from swarming_common.database.port import HotBatch, Work
from swarming_common.database.sqlite_log import LogKeeper
from swarming_common.errors import DatabaseAway, SwarmingError

T = TypeVar("T")

FILE_NAME = "swarming.db"
READER_THREADS = 3
MAX_BATCHES_IN_A_COMMIT = 200


class FolderInUse(SwarmingError):
    """Another process works on this data folder."""


async def open_sqlite(folder: Path) -> "SqliteDatabase":
    """Open the database in this folder, which must be migrated before it is used. Raises FolderInUse, DatabaseAway."""
    with translated():
        return await asyncio.to_thread(SqliteDatabase, folder)


def sqlite_url(folder: Path) -> str:
    """The address of the database in this folder, for migrate."""
    return f"sqlite:///{folder / FILE_NAME}"


@dataclass(frozen=True, slots=True)
class _Job:
    work: Work[Any]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[Any]
    is_durable: bool

    def resolve(self, result: Any) -> None:
        self.loop.call_soon_threadsafe(_set, self.done, result)

    def fail(self, error: BaseException) -> None:
        self.loop.call_soon_threadsafe(_set_error, self.done, error)


class SqliteDatabase:
    """One database file, one process, one writer thread."""

    dialect = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._lock = _lock_folder(folder)
        engine = _engine(folder / FILE_NAME)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._writer = Thread(
            target=_write_jobs, args=(engine.connect(), self._jobs), name="sqlite-writer", daemon=True
        )
        self._writer.start()
        self._log_keeper = LogKeeper(folder / FILE_NAME)
        self._readers = ThreadPoolExecutor(READER_THREADS, thread_name_prefix="sqlite-reader")
        self._engine = engine
        self._reader_connections: list[Connection] = []
        self._local = local()
        self._closed = False

    async def read(self, work: Work[T]) -> T:
        """Run a query that writes nothing."""
        if self._closed:
            raise DatabaseAway("the database is closed")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, work)

    async def read_hot(self, batch: HotBatch[T]) -> T:
        """The same: its portable form."""
        return await self.read(batch.portable)

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Run a batch; it shares its commit with the batches that wait beside it."""
        if self._closed:
            raise DatabaseAway("the database is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put(_Job(work, loop, done, durable))
        return await done

    async def write_hot(self, batch: HotBatch[T], *, durable: bool = True) -> T:
        """The same: its portable form."""
        return await self.write(batch.portable, durable=durable)

    async def open_writer(self, name: str) -> "SqliteWriter":
        """The process's writer thread; the folder's lock is every lock."""
        del name
        return SqliteWriter(self)

    async def now(self) -> datetime:
        """The host's clock: the database has no other."""
        return datetime.now(UTC)

    async def close(self) -> None:
        """Commit what was accepted and let go of the folder."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.to_thread(self._writer.join)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in self._reader_connections:
            connection.close()
        await asyncio.to_thread(self._log_keeper.close)
        os.close(self._lock)

    def _read(self, work: Work[T]) -> T:
        connection: Connection | None = getattr(self._local, "connection", None)
        with translated():
            if connection is None:
                connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
                self._local.connection = connection
                self._reader_connections.append(connection)
            try:
                return work(connection)
            finally:
                connection.rollback()  # ends SQLAlchemy's own bookkeeping of a transaction; SQLite had none


class SqliteWriter:
    """The writer port on SQLite: one process owns the folder, so it owns every lock."""

    def __init__(self, database: SqliteDatabase) -> None:
        self._database = database

    async def try_lock(self, key: int) -> bool:
        """Always: the folder is locked."""
        del key
        return True

    async def unlock(self, key: int) -> None:
        """Nothing to do."""

    async def write(self, work: Work[T]) -> T:
        """As the database's own."""
        return await self._database.write(work)

    async def write_hot(self, batch: HotBatch[T]) -> T:
        """As the database's own."""
        return await self._database.write_hot(batch)

    async def beat(self) -> None:
        """Nothing to show: nobody else waits for the lock."""

    async def close(self) -> None:
        """Nothing to release; the folder stays locked until the database closes."""


def _set(done: asyncio.Future[Any], result: Any) -> None:
    if not done.done():
        done.set_result(result)


def _set_error(done: asyncio.Future[Any], error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)


def _lock_folder(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise FolderInUse(f"{folder.resolve()} is in use by another process") from error
    return lock


def _engine(file: Path) -> Engine:
    engine = create_engine(
        f"sqlite:///{file}", poolclass=NullPool, connect_args={"check_same_thread": False, "timeout": 10.0}
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, sqlite3 would guess
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-32000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # the log's keeper does it, where no caller waits

    return engine


def _write_jobs(opened: Connection, jobs: "SimpleQueue[_Job | None]") -> None:
    """The writer thread: it ends when it finds None, after everything before it.

    To SQLAlchemy the connection is in autocommit, in one transaction that never ends; the real transactions are ours,
    said to the driver: SQLAlchemy's own take longer than the disk does.
    """
    with opened.execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.begin()
        while True:
            batch, is_last = _take(jobs)
            if batch:
                _commit(connection, batch)
            if is_last:
                return


def _take(jobs: "SimpleQueue[_Job | None]") -> tuple[list[_Job], bool]:
    batch: list[_Job] = []
    job = jobs.get()
    while job is not None:
        batch.append(job)
        if len(batch) >= MAX_BATCHES_IN_A_COMMIT:
            return batch, False
        try:
            job = jobs.get_nowait()
        except Empty:
            return batch, False
    return batch, True


def _commit(connection: Connection, batch: Sequence[_Job]) -> None:
    """Everybody's batch in one transaction; a batch that fails is undone alone."""
    driver = _driver(connection)
    say = driver.execute
    results: list[tuple[_Job, Any]] = []
    try:
        # In WAL mode NORMAL leaves out nothing but the wait for the disk at a commit.
        say("PRAGMA synchronous=FULL" if any(job.is_durable for job in batch) else "PRAGMA synchronous=NORMAL")
        say("BEGIN IMMEDIATE")
        try:
            for job in batch:
                _run_alone(connection, job, results)
            say("COMMIT")
        except BaseException:
            if driver.in_transaction:  # after a full disk SQLite has undone it by itself
                say("ROLLBACK")
            raise
    except Exception as error:
        failure = DatabaseAway(f"the commit failed: {error}")
        failure.__cause__ = error
        for job in batch:
            job.fail(failure)
        return
    for job, result in results:
        job.resolve(result)


def _run_alone(connection: Connection, job: _Job, results: list[tuple[_Job, Any]]) -> None:
    driver = _driver(connection)
    say = driver.execute
    say("SAVEPOINT one")
    try:
        with translated():
            results.append((job, job.work(connection)))
    except Exception as error:
        if not driver.in_transaction:  # the whole transaction is undone, the batches before included
            raise
        say("ROLLBACK TO one")
        job.fail(error)
    say("RELEASE one")


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    return driver
