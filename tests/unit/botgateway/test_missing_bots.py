"""A bot of which nothing is heard any more: its history says so, once for each silence."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from swarming_botgateway.usecases.note_missing import NoteMissing
from swarming_common.database import tables
from swarming_common.database.port import Database
from swarming_common.database.postgres import open_postgres
from swarming_common.errors import DatabaseAway
from tests.databases import OnPostgres, OnSqlite
from tests.unit.botgateway.test_update_store import NOW, a_bot

TIMEOUT = timedelta(seconds=600)
LONG_AGO = NOW - timedelta(hours=1)


async def a_watch(database: Database, since: datetime = NOW - TIMEOUT) -> NoteMissing:
    """One that has listened since then."""
    watch = NoteMissing(database, TIMEOUT)
    await watch.look(since)
    return watch


async def noted(database: Database) -> list[Any]:
    query = select(tables.bot_event).order_by(tables.bot_event.c.created_ts, tables.bot_event.c.bot_id)
    return list(await database.read(lambda c: c.execute(query).all()))


class MissingBots:
    """Subclasses supply `database`."""

    async def test_a_bot_that_is_silent_for_too_long_is_noted_with_when_it_was_last_heard_of(self, database):
        await a_bot(database, "silent", last_seen_ts=LONG_AGO, maintenance="a disk")
        await a_bot(database, "lively", last_seen_ts=NOW - TIMEOUT)
        await a_bot(database, "said farewell", last_seen_ts=LONG_AGO, shutdown_ts=LONG_AGO)

        await (await a_watch(database)).look(NOW)

        [event] = await noted(database)
        assert (event.bot_id, event.event_type, event.version) == ("silent", "bot_missing", "v1")
        assert (event.maintenance, event.details) == ("a disk", {"last_seen": LONG_AGO.isoformat()})

    async def test_a_silence_is_noted_once_by_however_many_gateways_and_the_next_one_anew(self, database):
        await a_bot(database, "bot1", last_seen_ts=LONG_AGO)
        watches = [await a_watch(database) for _ in range(2)]

        for second in range(3):
            for watch in watches:
                await watch.look(NOW + timedelta(seconds=second))
        back = NOW + timedelta(seconds=10)
        await database.write(lambda c: c.execute(update(tables.bot).values(last_seen_ts=back)) and None)
        for watch in watches:
            await watch.look(back + timedelta(seconds=1))
            await watch.look(back + TIMEOUT * 2)

        last_seen = [event.details["last_seen"] for event in await noted(database)]
        assert last_seen == [LONG_AGO.isoformat(), back.isoformat()]

    async def test_a_gateway_that_has_just_started_gives_every_bot_time_to_be_heard(self, database):
        await a_bot(database, "bot1", last_seen_ts=LONG_AGO)
        watch = await a_watch(database, since=NOW)

        await watch.look(NOW + TIMEOUT - timedelta(seconds=1))
        noted_early = await noted(database)
        await watch.look(NOW + TIMEOUT)

        assert noted_early == []
        assert len(await noted(database)) == 1


class TestMissingBotsOnSqlite(OnSqlite, MissingBots):
    pass


@pytest.mark.real("postgres")
class TestMissingBotsOnPostgres(OnPostgres, MissingBots):
    pass


async def test_while_the_database_is_away_no_bot_can_be_heard():
    database = await open_postgres("postgresql://nobody@127.0.0.1:1/nothing")
    watch = await a_watch(database)

    with pytest.raises(DatabaseAway):
        await watch.look(NOW)
    await watch.look(NOW + TIMEOUT - timedelta(seconds=1))  # too early to ask for anything

    with pytest.raises(DatabaseAway):
        await watch.look(NOW + TIMEOUT * 2)
    await database.close()
