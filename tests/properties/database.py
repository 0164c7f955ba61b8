"""All tables in memory, in SQLite, with a connection for each process that can be stopped or cut off."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, StaticPool, create_engine

from swarming_common.database.failures import translated
from swarming_common.database.migrate import upgrade
from swarming_common.database.port import HotBatch, Work
from swarming_common.database.tables import metadata, shard
from swarming_common.errors import DatabaseAway

T = TypeVar("T")


class Memory:
    """One database for the tests of a process; each world begins with empty tables. Commits come one after another."""

    def __init__(self) -> None:
        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
        self.connection: Connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self.connection.begin()  # to SQLAlchemy, one transaction that never ends
        upgrade(self.connection)
        self._empty = [f"DELETE FROM {table.name}" for table in metadata.sorted_tables]

    @property
    def driver(self) -> sqlite3.Connection:
        """For what SQLAlchemy takes too long for."""
        driver: sqlite3.Connection = self.connection.connection.dbapi_connection  # type: ignore[assignment]
        return driver

    def begin_anew(self, shard_count: int) -> None:
        """Empty tables but for the shards there are."""
        for statement in self._empty:
            self.driver.execute(statement)
        zero: dict[str, int | None] = dict.fromkeys(
            ("request_cursor", "command_cursor", "report_cursor", "last_seq", "relayed_seq"), 0
        )
        rows = [{"shard": number, "epoch": 0, "owner": None} | zero for number in range(shard_count)]
        self.connection.execute(shard.insert(), rows)

    def read(self, work: Work[T]) -> T:
        """A query."""
        with translated():
            return work(self.connection)

    def write(self, work: Work[T]) -> T:
        """One commit: all of it or nothing."""
        self.driver.execute("SAVEPOINT one")
        try:
            with translated():
                result = work(self.connection)
        except BaseException:
            self.driver.execute("ROLLBACK TO one")
            self.driver.execute("RELEASE one")
            raise
        self.driver.execute("RELEASE one")
        return result


class Watch(Protocol):
    """Sees a scheduler's writes, for promises and for accidents."""

    async def before_write(self) -> None:
        """A commit is on its way; may not return."""

    def on_write(self, batch: HotBatch[Any], write: Callable[[], T]) -> T:
        """It arrives: calls `write`."""

    async def after_write(self) -> None:
        """It was made, and its answer is on its way; may not return."""


class Session:
    """The database port of one process. One that is stopped waits until it is woken, one that died for ever."""

    dialect = "sqlite"

    def __init__(self, memory: Memory, locks: dict[int, "SessionWriter"], latency: Callable[[], float]) -> None:
        """`latency`: seconds on the way there, and again on the way back."""
        self.memory = memory
        self.locks = locks
        self.watch: Watch | None = None
        self._latency = latency
        self.running = asyncio.Event()
        self.running.set()
        self.is_dead = False
        self.never = asyncio.Event()

    async def turn(self) -> None:
        """Other things happen before the answer comes."""
        await asyncio.sleep(self._latency())
        while self.is_dead or not self.running.is_set():
            await (self.never if self.is_dead else self.running).wait()

    async def read(self, work: Work[T]) -> T:
        """As the port says."""
        await self.turn()
        result = self.memory.read(work)
        await self.turn()
        return result

    async def read_hot(self, batch: HotBatch[T]) -> T:
        """As the port says."""
        return await self.read(batch.portable)

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """As the port says."""
        del durable
        await self.turn()
        result = self.memory.write(work)
        await self.turn()
        return result

    async def write_hot(self, batch: HotBatch[T], *, durable: bool = True) -> T:
        """As the port says."""
        return await self.write(batch.portable, durable=durable)

    async def open_writer(self, name: str) -> "SessionWriter":
        """As the port says."""
        del name
        await self.turn()
        return SessionWriter(self)

    async def now(self) -> Any:
        """Nobody asks: there is but one clock."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to do."""


class SessionWriter:
    """The writer port: locks and writes that fail together."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.is_lost = False

    async def try_lock(self, key: int) -> bool:
        """As the port says."""
        await self.session.turn()
        self._check()
        return self.session.locks.setdefault(key, self) is self

    async def unlock(self, key: int) -> None:
        """As the port says."""
        await self.session.turn()
        if self.session.locks.get(key) is self:
            del self.session.locks[key]

    async def write(self, work: Work[T]) -> T:
        """As the port says."""
        await self.session.turn()
        self._check()
        result = self.session.memory.write(work)
        await self.session.turn()
        return result

    async def write_hot(self, batch: HotBatch[T]) -> T:
        """As the port says."""
        session = self.session
        watch = session.watch
        assert watch is not None
        await watch.before_write()
        await session.turn()
        self._check()
        result = watch.on_write(batch, lambda: session.memory.write(batch.portable))
        await watch.after_write()
        await session.turn()
        return result

    async def beat(self) -> None:
        """As the port says."""
        await self.session.turn()
        self._check()

    async def close(self) -> None:
        """As the port says."""
        self.cut()

    def cut(self) -> None:
        """The connection is gone, and its locks with it."""
        self.is_lost = True
        for key in [key for key, holder in self.session.locks.items() if holder is self]:
            del self.session.locks[key]

    def _check(self) -> None:
        if self.is_lost:
            raise DatabaseAway("the writer's connection is lost")
