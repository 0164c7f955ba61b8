"""When bots were last heard of, whatever one of them says."""

from datetime import timedelta

from sqlalchemy import select, text

from swarming_botgateway.presence import Presence
from swarming_common.database import tables
from swarming_common.database.port import Database
from tests.unit.botgateway.test_update_store import NOW, a_bot

LATER = NOW + timedelta(seconds=1)


async def refuse_states_with(database: Database, word: str) -> None:
    """As a database does that cannot hold a value which nobody thought of."""
    refusal = f"""
        CREATE TRIGGER refuse BEFORE UPDATE OF state ON bot WHEN NEW.state LIKE '%{word}%'
        BEGIN SELECT RAISE(ABORT, 'refused'); END
    """
    await database.write(lambda c: c.execute(text(refusal)))


async def test_a_state_that_the_database_refuses_keeps_no_bot_from_being_seen(sqlite_database):
    await refuse_states_with(sqlite_database, "poison")
    presence = Presence(sqlite_database, state_seconds=60)
    for bot_id in ("bot1", "bot2", "bot3"):
        await a_bot(sqlite_database, bot_id, state={"old": True})
        presence.see(bot_id, LATER, {"new": "poison" if bot_id == "bot2" else "wholesome"})

    await presence.write()

    rows = await sqlite_database.read(lambda c: c.execute(select(tables.bot).order_by(tables.bot.c.bot_id)).all())
    assert [row.last_seen_ts for row in rows] == [LATER] * 3
    assert [row.state for row in rows] == [{"new": "wholesome"}, {"old": True}, {"new": "wholesome"}]
