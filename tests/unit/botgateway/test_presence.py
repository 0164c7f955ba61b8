"""When bots were last heard of, whatever one of them says."""

from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import select, text

from swarming_botgateway.presence import Presence
from swarming_common.database import tables
from swarming_common.database.port import Database
from swarming_common.errors import DataRejected
from tests.unit.botgateway.test_update_store import NOW, a_bot
from tests.unit.botgateway.world import Bus, a_world

LATER = NOW + timedelta(seconds=1)


async def refuse(database: Database, update: str) -> None:
    """As a database does that cannot hold a value which nobody thought of."""
    refusal = f"CREATE TRIGGER refuse BEFORE UPDATE OF {update} BEGIN SELECT RAISE(ABORT, 'refused'); END"
    await database.write(lambda c: c.execute(text(refusal)))


async def test_a_state_that_the_database_refuses_keeps_no_bot_from_being_seen(sqlite_database):
    await refuse(sqlite_database, "state ON bot WHEN NEW.state LIKE '%poison%'")
    presence = Presence(sqlite_database, state_seconds=60)
    for bot_id in ("bot1", "bot2", "bot3"):
        await a_bot(sqlite_database, bot_id, state={"old": True})
        presence.see(bot_id, LATER, {"new": "poison" if bot_id == "bot2" else "wholesome"})

    await presence.write()

    rows = await sqlite_database.read(lambda c: c.execute(select(tables.bot).order_by(tables.bot.c.bot_id)).all())
    assert [row.last_seen_ts for row in rows] == [LATER] * 3
    assert [row.state for row in rows] == [{"new": "wholesome"}, {"old": True}, {"new": "wholesome"}]


async def test_a_gateway_that_ends_writes_what_it_saw_though_it_could_not_tell_what_it_heard(sqlite_folder):
    gateway = AsyncExitStack()
    world = await gateway.enter_async_context(a_world(sqlite_folder))
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    [before] = await world.rows(tables.bot)
    await world.update(bot, run)
    assert isinstance(world.ports.bus, Bus)
    world.ports.bus.is_away = True
    await refuse(world.ports.database, "tx ON run_report")

    with pytest.raises(DataRejected):
        await gateway.aclose()

    async with a_world(sqlite_folder) as world:
        [after] = await world.rows(tables.bot)
    assert after.last_seen_ts > before.last_seen_ts
