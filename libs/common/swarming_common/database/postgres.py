"""The distributed database: PostgreSQL through asyncpg."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from swarming_common.database.failures import ConnectionLost, leaves_connection_usable, translated
from swarming_common.database.port import HotBatch, Work
from swarming_common.errors import DatabaseAway

T = TypeVar("T")

POOL_SIZE = 8
CONNECT_SECONDS = 5.0
STATEMENT_MS = 30_000
ANSWER_SECONDS = STATEMENT_MS / 1000 + 5
"""Whoever hears nothing for so long is cut off: the server has ended the statement by then, and would have said so."""

WRITER_SILENCE_MS = 5_000
"""How long a writer may be silent before the server ends its session and so frees its locks; it beats every second."""

_SERVER_SETTINGS = {"statement_timeout": str(STATEMENT_MS), "application_name": "swarming"}

PLAN_BY_KEY = {
    # A hot batch finds its rows by key, whatever its arguments; to plan it each time takes longer than to run it.
    "plan_cache_mode": "force_generic_plan",
    # Such a plan may be made while the tables are empty, where reading them whole looks cheap, and is kept.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
"""For connections that run hot batches."""

WRITER_ANSWER_SECONDS = 7.0
"""A writer that hears nothing for so long has been cut off: the server has ended its session by then."""

LOCK_CLASS = 0x5357524D
"""Tells our advisory locks from those of others in the same database."""


async def open_postgres(url: str) -> "PostgresDatabase":
    """Connect lazily: the server need not be there yet."""
    return PostgresDatabase(url)


def asyncpg_url(url: str) -> str:
    """`postgresql://…` with the driver that we use named in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(scheme="postgresql+asyncpg"))


class PostgresDatabase:
    """A pool of connections, one for the hot batches, which run one after another, and one for hot queries."""

    dialect = "postgresql"

    def __init__(self, url: str) -> None:
        self._url = asyncpg_url(url)
        self._engine = create_async_engine(
            self._url,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_use_lifo=True,  # the connection used last knows our statements
            pool_timeout=CONNECT_SECONDS,
            connect_args={"timeout": CONNECT_SECONDS, "server_settings": _SERVER_SETTINGS},
        )
        self._hot = _HotConnection(url)
        self._hot_queries = _HotConnection(url)
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    async def read(self, work: Work[T]) -> T:
        """Run a query; after a lost connection once more, on a new one, since it changes nothing."""
        try:
            return await self._run(self._autocommit, work)
        except ConnectionLost:
            return await self._run(self._autocommit, work)

    async def read_hot(self, batch: HotBatch[T]) -> T:
        """Run the batch's one statement; once more, as above."""
        try:
            return batch.read(await self._hot_queries.fetch(batch.statement, batch.arguments()))
        except ConnectionLost:
            return batch.read(await self._hot_queries.fetch(batch.statement, batch.arguments()))

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Run a batch in a transaction."""
        del durable  # the server groups the commits of all its clients; there is little to save
        return await self._run(self._engine, work)

    async def write_hot(self, batch: HotBatch[T], *, durable: bool = True) -> T:
        """Run the batch's one statement."""
        del durable
        return batch.read(await self._hot.fetch(batch.statement, batch.arguments()))

    async def open_writer(self, name: str) -> "PostgresWriter":
        """A connection outside the pool, which the server ends when it is silent."""
        silence = str(WRITER_SILENCE_MS)
        engine = create_async_engine(
            self._url,
            poolclass=NullPool,
            connect_args={
                "timeout": CONNECT_SECONDS,
                "server_settings": {
                    "application_name": name,
                    "idle_session_timeout": silence,
                    "idle_in_transaction_session_timeout": silence,
                    "statement_timeout": silence,
                    "tcp_user_timeout": silence,
                    **PLAN_BY_KEY,
                },
            },
        )
        with translated():
            async with asyncio.timeout(WRITER_ANSWER_SECONDS):
                connection = await engine.connect()
                await connection.execution_options(isolation_level="AUTOCOMMIT")
        return PostgresWriter(engine, connection)

    async def now(self) -> datetime:
        """The server's clock."""
        moment: datetime = await self.read(lambda c: c.execute(text("SELECT clock_timestamp()")).scalar_one())
        return moment

    async def close(self) -> None:
        """Disconnect."""
        await self._hot.close()
        await self._hot_queries.close()
        with contextlib.suppress(TimeoutError):  # a server that is cut off does not agree to it
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._engine.dispose()

    @staticmethod
    async def _run(engine: AsyncEngine, work: Work[T]) -> T:
        with translated():
            async with asyncio.timeout(ANSWER_SECONDS), engine.connect() as connection:
                transaction = await connection.begin()
                try:
                    result = await connection.run_sync(work)
                    await transaction.commit()
                    return result
                except BaseException as error:
                    if leaves_connection_usable(error):
                        await transaction.rollback()
                    else:
                        await _throw_away(connection)
                    raise


class _HotConnection:
    """A connection of the driver's own; opened when it is needed and again after it was lost."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._turn = asyncio.Lock()
        self._connection: Any = None

    async def fetch(self, statement: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
        async with self._turn:
            with translated():
                try:
                    async with asyncio.timeout(ANSWER_SECONDS):
                        return await self._fetch(statement, arguments)
                except BaseException as error:
                    if not leaves_connection_usable(error):
                        self._drop()
                    raise

    async def close(self) -> None:
        async with self._turn:
            self._drop()

    async def _fetch(self, statement: str, arguments: tuple[Any, ...]) -> Sequence[Any]:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._url, timeout=CONNECT_SECONDS, server_settings={**_SERVER_SETTINGS, **PLAN_BY_KEY}
            )
        found: Sequence[Any] = await self._connection.fetch(statement, *arguments)
        return found

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()


class PostgresWriter:
    """Advisory locks and writes on one connection; a failure loses all of it at once."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection) -> None:
        self._engine = engine
        self._connection = connection
        self._turn = asyncio.Lock()
        self._is_lost = False

    async def try_lock(self, key: int) -> bool:
        """`pg_try_advisory_lock`, once: PostgreSQL would count a second one."""
        held = text(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            " AND classid::bigint = :class AND objid::bigint = :key AND granted)"
            " OR pg_try_advisory_lock(CAST(:class AS integer), CAST(:key AS integer))"
        )
        return bool(await self._ask(lambda c: c.execute(held, {"class": LOCK_CLASS, "key": key}).scalar_one()))

    async def unlock(self, key: int) -> None:
        """`pg_advisory_unlock`."""
        release = text("SELECT pg_advisory_unlock(CAST(:class AS integer), CAST(:key AS integer))")
        await self._ask(lambda c: c.execute(release, {"class": LOCK_CLASS, "key": key}).scalar_one())

    async def write(self, work: Work[T]) -> T:
        """Run a batch; any failure to do so loses the writer, since its memory may be wrong now."""
        return await self._ask(lambda c: _in_transaction(c, work))

    async def write_hot(self, batch: HotBatch[T]) -> T:
        """Run the batch's one statement, likewise."""
        async with self._alone():
            connection: Any = (await self._connection.get_raw_connection()).driver_connection
            return batch.read(await connection.fetch(batch.statement, *batch.arguments()))

    async def beat(self) -> None:
        """A word, so that the server does not end the session."""
        await self._ask(lambda c: c.execute(text("SELECT 1")))

    async def close(self) -> None:
        """Disconnect, which frees the locks."""
        self._is_lost = True
        with contextlib.suppress(Exception):  # a server that is cut off does not agree to it, and frees them by itself
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._connection.close()
        await self._engine.dispose()

    async def _ask(self, work: Work[T]) -> T:
        async with self._alone():
            return await self._connection.run_sync(work)

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        async with self._turn:
            if self._is_lost:  # perhaps while this one waited for its turn
                raise DatabaseAway("this writer's connection was lost")
            try:
                with translated():
                    async with asyncio.timeout(WRITER_ANSWER_SECONDS):
                        yield
            except BaseException:
                self._is_lost = True
                raise


async def _throw_away(connection: AsyncConnection) -> None:
    """Cut a pooled connection whose last statement may still be under way: whoever got it next would fail on that."""
    with contextlib.suppress(Exception):
        raw: Any = (await connection.get_raw_connection()).driver_connection
        raw.terminate()
    with contextlib.suppress(Exception):
        await connection.invalidate()


def _in_transaction(connection: Connection, work: Work[T]) -> T:
    """BEGIN and COMMIT by hand: the connection is in autocommit, for batches that are one statement."""
    connection.exec_driver_sql("BEGIN")
    try:
        result = work(connection)
    except BaseException:
        with contextlib.suppress(Exception):  # or a cancellation, say, would be lost to what its ROLLBACK meets
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")
    return result
