"""What only PostgreSQL has: transactions that overlap, locks that die with their connection, refused texts."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from swarming_botgateway.store.hot_bots import hot_known_bots, hot_seen_bots
from swarming_botgateway.store.updates import hot_revoked_runs, hot_updates
from swarming_common.database import postgres
from swarming_common.database.feed import Feed
from swarming_common.database.group_commit import GroupCommit, HotGroupCommit
from swarming_common.database.port import HotBatch
from swarming_common.database.postgres import PostgresDatabase, asyncpg_url, open_postgres
from swarming_common.database.tables import command, metadata
from swarming_common.errors import DatabaseAway, DataRejected
from swarming_common.testing.contracts.database import KNOWN, a_command, add, adding, known
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, soon
from swarming_frontend.store.requests import IdTaken, WriteOutcome, Written, hot_requests
from swarming_scheduler.store import Batch, hot_batch
from tests.servers import Servers
from tests.servers.postgres import PostgresServer
from tests.unit.common.test_events import Seen
from tests.unit.frontend.test_stores import an_item

pytestmark = pytest.mark.real("postgres")


@pytest.fixture
async def database(migrated_postgres: str) -> AsyncIterator[PostgresDatabase]:
    database = await open_postgres(migrated_postgres)
    yield database
    await database.close()


@pytest.fixture
async def another(migrated_postgres: str, database: PostgresDatabase) -> AsyncIterator[Any]:
    """A connection of somebody else, whose transaction the test holds open."""
    engine = create_async_engine(asyncpg_url(migrated_postgres))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.fixture
def server(private_servers: Servers, migrated_postgres: str) -> Iterator[PostgresServer]:
    """To do harm to."""
    yield private_servers.postgres
    private_servers.resume()


async def test_a_row_that_commits_late_is_not_missed(database: PostgresDatabase, another: Any):
    feed = Feed(command, select(command.c.tx, command.c.command_id).where(command.c.shard == 3))
    await another.run_sync(lambda c: add(c, "slow"))
    await database.write(lambda c: add(c, "quick"))

    early = [row.command_id async for rows in feed.read(database) for row in rows]
    await another.commit()
    late = [row.command_id async for rows in feed.read(database) for row in rows]

    assert early == ["quick"]
    assert "slow" in late


async def test_a_lock_has_one_holder_and_is_free_when_its_connection_dies(database: PostgresDatabase):
    first, second = await database.open_writer("first"), await database.open_writer("second")
    assert await first.try_lock(1)
    assert not await second.try_lock(1)
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'first'")

    await database.write(lambda c: c.execute(kill) and None)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await second.try_lock(1):  # noqa: ASYNC110 - the server frees it when it has noticed
            await asyncio.sleep(0.02)
    with pytest.raises(DatabaseAway):
        await first.write(lambda c: add(c, "by a zombie"))

    assert await database.read(known) == set()
    await first.close()
    await second.close()


async def test_a_writer_that_hears_nothing_takes_itself_for_cut_off(
    server: PostgresServer, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
):
    database = await open_postgres(migrated_postgres)
    writer = await database.open_writer("cut off")
    for name in ("WRITER_ANSWER_SECONDS", "CONNECT_SECONDS"):
        monkeypatch.setattr(postgres, name, 0.3)

    server.freeze()
    with pytest.raises(DatabaseAway):
        await writer.beat()
    server.resume()

    with pytest.raises(DatabaseAway):
        await writer.write(lambda c: add(c, "by a zombie"))
    assert await database.read(known) == set()
    await writer.close()
    await database.close()


async def test_who_waited_for_a_writer_that_was_lost_meanwhile_is_told_that_too(migrated_postgres: str):
    database = await open_postgres(migrated_postgres)
    writer = await database.open_writer("lost")
    kill = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'lost'")
    await database.write(lambda c: c.execute(kill) and None)

    asked = await asyncio.gather(*(writer.try_lock(1) for _ in range(3)), return_exceptions=True)

    assert all(isinstance(one, DatabaseAway) for one in asked), asked
    await writer.close()
    await database.close()


async def test_a_writer_that_is_cut_off_does_not_hold_up_the_end(
    server: PostgresServer, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
):
    database = await open_postgres(migrated_postgres)
    writer = await database.open_writer("cut off")
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 0.3)

    server.freeze()
    await soon(writer.close())
    server.resume()

    await database.close()


async def test_a_server_that_is_cut_off_keeps_nobody_waiting_for_good(
    server: PostgresServer, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
):
    database = await open_postgres(migrated_postgres)
    calls = [
        lambda: database.read(known),
        lambda: database.read_hot(KNOWN),
        lambda: database.write(lambda c: add(c, "a")),
        lambda: database.write_hot(adding("b")),
        lambda: database.open_writer("cut off"),
    ]
    for call in calls[:2]:
        await call()
    for name in ("ANSWER_SECONDS", "CONNECT_SECONDS", "WRITER_ANSWER_SECONDS"):
        monkeypatch.setattr(postgres, name, 0.3)

    server.freeze()
    outcomes = await soon(asyncio.gather(*(call() for call in calls), return_exceptions=True))
    server.resume()
    monkeypatch.undo()

    assert {type(one) for one in outcomes} == {DatabaseAway}
    assert await database.read(known) == await database.read_hot(KNOWN)
    await database.close()


async def test_a_server_that_is_cut_off_does_not_hold_up_the_end(
    server: PostgresServer, migrated_postgres: str, monkeypatch: pytest.MonkeyPatch
):
    database = await open_postgres(migrated_postgres)
    await database.read(known)
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 0.1)

    server.freeze()
    await soon(database.close())
    server.resume()


async def test_a_query_that_the_server_gave_up_is_not_asked_again(database: PostgresDatabase):
    asked = []

    def slow(connection: Connection) -> None:
        asked.append(connection)
        connection.exec_driver_sql("SET statement_timeout = 10")
        connection.exec_driver_sql("SELECT pg_sleep(60)")

    with pytest.raises(DatabaseAway):
        await database.read(slow)

    assert len(asked) == 1


async def test_a_query_whose_connection_was_lost_is_asked_again(database: PostgresDatabase):
    others = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()")
    asked = []

    def cut_once(connection: Connection) -> set[str]:
        asked.append(connection)
        if len(asked) == 1:
            connection.execute(others)
        return known(connection)

    await database.read_hot(KNOWN)
    assert await database.read(cut_once) == set()
    assert await database.read_hot(KNOWN) == set()

    assert len(asked) == 2


@pytest.mark.parametrize(
    ("nonce", "outcome"), [(1, Written()), (2, IdTaken())], ids=["its own earlier try", "another's"]
)
async def test_a_lone_submission_whose_id_is_just_being_written_learns_by_whom(
    database: PostgresDatabase, another: Any, nonce: int, outcome: WriteOutcome
):
    writer = HotGroupCommit(database, hot_requests, name="test")
    await another.run_sync(hot_requests([an_item(nonce=1)]).portable)

    submission = asyncio.create_task(writer.submit(an_item(nonce=nonce)))
    await until_somebody_waits(database)
    await another.commit()

    assert await soon(submission) == outcome


async def test_a_nul_in_a_text_is_the_data_s_fault(database: PostgresDatabase):
    with pytest.raises(DataRejected):
        await database.write(lambda c: c.execute(command.insert(), a_command("c\0")) and None)


async def test_a_server_that_is_not_there_is_said_to_be_away():
    database = await open_postgres("postgresql://nobody@127.0.0.1:1/nothing")

    with pytest.raises(DatabaseAway):
        await database.read(known)
    await database.close()


async def test_the_migrations_make_the_tables_that_the_code_knows(database: PostgresDatabase):
    query = text(
        "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'public'"
    )
    rows = await database.read(lambda c: c.execute(query).all())

    found = {(row.table_name, row.column_name, row.is_nullable == "YES") for row in rows}
    expected = {
        (table.name, column.name, bool(column.nullable)) for table in metadata.tables.values() for column in table.c
    }
    assert {one for one in found if one[0] != "alembic_version"} == expected


@pytest.mark.parametrize(
    "batch",
    [
        hot_requests([]),
        hot_batch(Batch()),
        hot_updates([]),
        hot_revoked_runs([]),
        hot_known_bots([]),
        hot_seen_bots([]),
    ],
    ids=["requests", "decisions", "updates", "revoked_runs", "known_bots", "seen_bots"],
)
async def test_a_hot_batch_finds_its_rows_by_key_though_it_was_planned_on_empty_tables(
    migrated_postgres: str, batch: HotBatch[Any]
):
    [plan] = await plans(migrated_postgres, batch.statement)

    assert any("Index" in line for line in plan)
    assert not [line for line in plan if "Seq Scan" in line]


async def test_who_catches_up_with_events_finds_them_by_key(database: PostgresDatabase, migrated_postgres: str):
    asked: set[str] = set()

    def note(connection: Connection, cursor: object, statement: str, *_: object) -> None:
        asked.add(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        await Seen(database).consumer.catch_up()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    of_events = await plans(migrated_postgres, *(one for one in asked if "task_event" in one))

    assert of_events
    assert all(any("Index Cond" in line for line in plan) for plan in of_events)


async def plans(url: str, *statements: str) -> list[list[str]]:
    """How connections for hot batches would run these, whatever their arguments."""
    connection = await asyncpg.connect(url, server_settings=postgres.PLAN_BY_KEY)
    try:
        found = []
        for number, statement in enumerate(statements):
            prepared = f"statement_{number}"
            await connection.execute(f"PREPARE {prepared} AS {statement}")
            arguments = ", ".join("NULL" for _ in set(re.findall(r"\$\d+", statement)))
            explain = f"EXPLAIN EXECUTE {prepared}" + (f"({arguments})" if arguments else "")
            found.append([str(row[0]) for row in await connection.fetch(explain)])
        return found
    finally:
        await connection.close()


async def until_somebody_waits(database: PostgresDatabase) -> None:
    """For another's transaction."""
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await database.read(lambda c: c.execute(waiting).scalar_one()):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["pooled", "hot"])
async def test_a_connection_whose_statement_was_given_up_is_not_used_again(database: PostgresDatabase, kind: str):
    pid = HotBatch(lambda c: 0, "SELECT pg_backend_pid() AS pid", tuple, lambda rows: int(rows[0]["pid"]))
    slow = HotBatch(lambda c: 0, "SELECT pg_sleep(60)", tuple, lambda rows: 0)
    began = asyncio.Event()

    def sleep(connection: Connection) -> None:
        used.append(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())
        began.set()
        connection.exec_driver_sql("SELECT pg_sleep(60)")

    async def ask() -> int:
        if kind == "hot":
            return await database.write_hot(pid)
        return await database.read(lambda c: int(c.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()))

    used: list[int] = [await ask()]
    giving_up: asyncio.Task[Any] = asyncio.create_task(
        database.write(sleep) if kind == "pooled" else database.write_hot(slow)
    )
    if kind == "pooled":
        await soon(began.wait())
    await asyncio.sleep(0)
    giving_up.cancel()
    await asyncio.gather(giving_up, return_exceptions=True)

    again = await asyncio.gather(*(ask() for _ in range(2 * postgres.POOL_SIZE)))

    assert used[-1] not in again


async def test_no_write_fails_by_a_mistake_of_ours_while_the_server_ends_its_sessions(migrated_postgres: str):
    database, another = await open_postgres(migrated_postgres), await open_postgres(migrated_postgres)
    ours = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

    def write(connection: Connection, ids: Sequence[str]) -> Sequence[str]:
        for one in ids:
            add(connection, one)
        return ids

    async def end_sessions() -> None:
        while True:
            await another.write(lambda c: c.execute(ours) and None)
            await asyncio.sleep(0.02)

    commits = GroupCommit(database, write, name="test", max_items=3)
    ending = asyncio.create_task(end_sessions())
    outcomes: list[object] = []
    for round_number in range(2):
        writes = [commits.submit(f"{round_number} {n}") for n in range(30)]
        outcomes += await asyncio.gather(*writes, return_exceptions=True)
    ending.cancel()
    await asyncio.gather(ending, return_exceptions=True)

    stored = await another.read(known)
    failures = [one for one in outcomes if isinstance(one, BaseException)]
    assert all(isinstance(one, DatabaseAway | DataRejected) for one in failures), failures
    assert {one for one in outcomes if isinstance(one, str)} <= stored
    await commits.close()
    await database.close()
    await another.close()
