"""What is asked and written of many bots at once is the same on each database, and as bot by bot."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from swarming_botgateway.bot_facts import SeenBot
from swarming_botgateway.store.bots import known_bot
from swarming_botgateway.store.hot_bots import hot_known_bots, hot_seen_bots
from swarming_common.database import tables
from swarming_common.database.group_read import GroupRead
from swarming_common.database.port import Database
from tests.databases import OnPostgres, OnSqlite
from tests.unit.botgateway.test_update_store import NOW, a_bot, a_run, confirmed, hot, said

LATER, EARLIER = NOW + timedelta(hours=1), NOW - timedelta(hours=1)


async def seen(database: Database) -> dict[str, Any]:
    found = await database.read(lambda c: c.execute(select(tables.bot)).all())
    return {row.bot_id: (row.last_seen_ts, row.state) for row in found}


class HotBots:
    """Subclasses supply `database`."""

    async def test_many_bots_are_known_as_each_alone(self, database: Database):
        await a_bot(database, "bot1", quarantined="own", quarantined_ts=NOW)
        await a_bot(database, "bot2", standing="x", shutdown_ts=NOW, session=None)
        await a_bot(database, "bot3", maintenance="disk", maintenance_ts=NOW)
        setting = {"bot_id": "bot3", "quarantined": "unfit", "quarantined_by": "a", "restart": "r", "restart_ts": NOW}
        await database.write(lambda c: c.execute(insert(tables.bot_setting), setting))
        runs = [await a_run(database) for _ in range(2)]
        await hot(database, [said(runs[0], confirmed())])
        asked = ["bot3", "bot1", "nobody", "bot2", "bot1", "it's"]

        found = await database.read_hot(hot_known_bots(asked))

        alone = [await database.read(lambda c, one=one: known_bot(c, one)) for one in asked]  # type: ignore[misc]
        assert found == alone
        assert [one is None for one in found] == [False, False, True, False, False, True]
        assert found[1] is not None
        assert len(found[1].unfinished) == 2

    async def test_nobody_is_asked_for(self, database: Database):
        assert await database.read_hot(hot_known_bots([])) == []

    async def test_what_was_seen_moves_only_forward(self, database: Database):
        for bot_id in ("bot1", "bot2"):
            await a_bot(database, bot_id)
        state = {"running_time": 9, "text": "é\ufffd'", "nested": [{"a": None}]}

        await database.write_hot(
            hot_seen_bots(
                [
                    SeenBot(bot_id="bot2", last_seen=LATER, state=state),
                    SeenBot(bot_id="nobody", last_seen=LATER, state=state),
                    SeenBot(bot_id="bot1", last_seen=LATER, state=None),
                ]
            )
        )
        await database.write_hot(hot_seen_bots([SeenBot(bot_id="bot1", last_seen=EARLIER, state={})]))

        assert await seen(database) == {"bot1": (LATER, {"sleep_streak": 0}), "bot2": (LATER, state)}

    async def test_who_asks_beside_others_gets_its_own_answer(self, database: Database):
        for number in range(5):
            await a_bot(database, f"bot{number}")
        known = GroupRead(database, hot_known_bots, name="known_bots")

        found = [known.submit(f"bot{number}") for number in range(7)]
        answers = [await one for one in found]
        await known.close()

        assert [one is None or one.facts.dimensions["id"] for one in answers] == [
            *([f"bot{number}"] for number in range(5)),
            True,
            True,
        ]


class TestHotBotsOnSqlite(OnSqlite, HotBots):
    pass


@pytest.mark.real("postgres")
class TestHotBotsOnPostgres(OnPostgres, HotBots):
    pass
