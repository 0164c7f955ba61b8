"""The step that makes a bot's history an outbox: what is in it already is no news, and nothing after it is missed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, create_engine, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from swarming_common.database.feed import Feed
from swarming_common.database.migrate import upgrade
from swarming_common.database.port import Database
from swarming_common.database.postgres import asyncpg_url, open_postgres
from swarming_common.database.sqlite import open_sqlite, sqlite_url
from swarming_common.database.tables import bot_event, bot_event_relay

BEFORE, AFTER = "0007", "0008"


def add(connection: Connection, event_id: str, created: int = 0) -> None:
    """As any release writes it."""
    moment = "to_timestamp(:created)" if connection.dialect.name == "postgresql" else ":created"
    statement = (
        "INSERT INTO bot_event (bot_event_id, bot_id, created_ts, event_type, version, external_ip, dimensions, state)"
        f" VALUES (:id, 'bot1', {moment}, 'bot_log', '', '', '{{}}', '{{}}')"
    )
    connection.execute(text(statement), {"id": event_id, "created": created})


async def news(database: Database) -> list[str]:
    cursor = await database.read(lambda c: c.execute(select(bot_event_relay.c.cursor)).scalar_one())
    feed = Feed(bot_event, select(bot_event.c.tx, bot_event.c.bot_event_id), cursor)
    return [row.bot_event_id async for rows in feed.read(database) for row in rows]


async def history(database: Database) -> Sequence[Any]:
    return await database.read(lambda c: c.execute(select(bot_event.c.bot_event_id)).scalars().all())


async def test_on_sqlite_only_what_comes_after_it_is_news(tmp_path: Path):
    engine = create_engine(sqlite_url(tmp_path))
    with engine.begin() as connection:
        upgrade(connection, BEFORE)
        for number in range(3):
            add(connection, f"old {number}")
    with engine.begin() as connection:
        upgrade(connection, AFTER)
    engine.dispose()

    database = await open_sqlite(tmp_path)
    news_at_first = await news(database)
    await database.write(lambda c: add(c, "new"))

    assert news_at_first == []
    assert await news(database) == ["new"]
    assert set(await history(database)) == {"old 0", "old 1", "old 2", "new"}
    await database.close()


async def test_on_sqlite_no_number_is_used_twice(sqlite_database: Database):
    await sqlite_database.write(lambda c: add(c, "first"))
    cursor = await sqlite_database.read(lambda c: c.execute(select(bot_event.c.tx)).scalar_one()) + 1

    await sqlite_database.write(lambda c: c.execute(bot_event.delete()) and None)
    await sqlite_database.write(lambda c: add(c, "second"))

    assert await sqlite_database.read(lambda c: c.execute(select(bot_event.c.tx)).scalar_one()) >= cursor


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Any]:
    engine = create_async_engine(asyncpg_url(url))
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


@pytest.mark.real("postgres")
async def test_on_postgresql_what_an_older_transaction_writes_after_it_is_news_too(postgres_database: str):
    async with connected(postgres_database) as ours, connected(postgres_database) as older:
        await ours.run_sync(upgrade, BEFORE)
        await ours.run_sync(add, "old")
        await ours.commit()
        await older.execute(text("SELECT pg_current_xact_id()"))
        await ours.run_sync(upgrade, AFTER)
        await ours.commit()

        database = await open_postgres(postgres_database)
        news_at_first = await news(database)
        await older.run_sync(add, "new")
        await older.commit()

        assert news_at_first == []
        assert await news(database) == ["new"]
        assert set(await history(database)) == {"old", "new"}
        await database.close()
