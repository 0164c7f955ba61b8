"""The frontend's SQL about bots, on SQLite always and on PostgreSQL."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from swarming_common.database import tables
from swarming_common.database.port import Database
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import format_task_id, new_task_id
from swarming_frontend.store.bot_dimensions import dimensions_in_use
from swarming_frontend.store.bot_history import HistorySpan, bot_history, deleted_bot, has_history
from swarming_frontend.store.bot_runs import runs_of_bot
from swarming_frontend.store.bot_settings import write_setting
from swarming_frontend.store.bots import BotFilter, bot_by_id, count_bots, list_bots
from swarming_frontend.store.fleet import read_fleet
from swarming_frontend.store.task_lists import StateFilter, TaskFilter, TaskSort
from swarming_frontend.store.terminations import last_termination
from tests.databases import OnPostgres, OnSqlite
from tests.unit.frontend.builders import NOW, a_bot, a_result, a_run


class BotStores:
    """Subclasses supply `database`."""

    async def test_what_is_set_leaves_the_rest_and_shows_in_lists_counts_and_explanations(self, database):
        for bot_id in ("a", "b", "c"):
            await a_bot(database, bot_id, last_seen_ts=NOW)
        later = {"quarantined": "unfit", "quarantined_by": "me", "quarantined_ts": NOW}
        await set_of(database, "a", **later, quarantined_until_ts=NOW + timedelta(seconds=1))
        await set_of(database, "b", maintenance="a disk", maintenance_by="me", maintenance_ts=NOW)
        await set_of(database, "a", restart="r", restart_ts=NOW)

        wanted = BotFilter(now=NOW, dead_before=NOW - timedelta(seconds=1))
        counts = await database.read(lambda c: count_bots(c, wanted))
        fleet = await database.read(lambda c: read_fleet(c, wanted.dead_before, NOW))
        a = await database.read(lambda c: bot_by_id(c, "a", NOW))
        a_later = await database.read(lambda c: bot_by_id(c, "a", NOW + timedelta(seconds=2)))

        assert (counts.count, counts.quarantined, counts.maintenance) == (3, 1, 1)
        assert [(one.bot_id, one.status.value, one.note) for one in fleet] == [
            ("a", "quarantined", "unfit"),
            ("b", "maintenance", "a disk"),
            ("c", "idle", None),
        ]
        assert a.quarantined.by == "me"
        assert a_later.quarantined is None
        for quarantined, expected in ((True, ["a"]), (False, ["b", "c"])):
            only = BotFilter(now=NOW, dead_before=wanted.dead_before, quarantined=quarantined)
            found, _ = await database.read(lambda c, only=only: list_bots(c, only, None, 10))
            assert [one.bot_id for one in found] == expected

    async def test_nothing_is_set_of_a_bot_that_is_not_known(self, database):
        assert not await database.write(lambda c: write_setting(c, "nobody", {"restart": "r"}))

    async def test_the_newest_order_to_end_is_found(self, database):
        for number, (pool, bot_id) in enumerate([(None, "bot1"), (None, "bot1"), (None, "bot2"), ("p", "bot1")]):
            await a_request(database, number, pool=pool, tags=["swarming.terminate:1", f"id:{bot_id}"])
        await a_result(database, a_task_id(1), state=TaskState.COMPLETED)

        one, two = [await database.read(lambda c, b=bot: last_termination(c, b)) for bot in ("bot1", "bot2")]

        assert (format_task_id(one.task_id), one.state) == (a_task_id(1), TaskState.COMPLETED)
        assert (format_task_id(two.task_id), two.state) == (a_task_id(2), TaskState.PENDING)
        assert await database.read(lambda c: last_termination(c, "bot3")) is None

    async def test_history_goes_on_where_a_page_ended(self, database):
        for number in range(6):
            await an_event(database, number, NOW + timedelta(seconds=number // 2))
        for number in range(3):
            await a_request(database, number)
            started = NOW + timedelta(seconds=number)
            ended: dict[str, Any] = {"started_ts": started, "completed_ts": started + timedelta(microseconds=1)}
            await a_run(database, a_task_id(number), state=TaskState.COMPLETED, **ended)

        seen, after = [], None
        while True:
            place = after
            page, after = await database.read(lambda c, p=place: bot_history(c, "bot1", HistorySpan(), p, 4))
            seen += page
            if after is None:
                break

        assert len(seen) == 12
        assert len({one.key for one in seen}) == 12
        assert [one.at for one in seen] == sorted((one.at for one in seen), reverse=True)

    async def test_a_deleted_bot_is_its_newest_event(self, database):
        for number in range(3):
            await an_event(database, number, NOW + timedelta(seconds=number))

        found = await database.read(lambda c: deleted_bot(c, "bot1"))

        assert (found.first_seen_ts, found.last_seen_ts, found.is_deleted) == (NOW, NOW + timedelta(seconds=2), True)
        assert await database.read(lambda c: deleted_bot(c, "bot2")) is None
        assert [await database.read(lambda c, b=bot: has_history(c, b)) for bot in ("bot1", "bot2")] == [True, False]

    @pytest.mark.parametrize("sort", list(TaskSort))
    async def test_runs_of_a_bot_in_every_order_and_state(self, database, sort):
        for number in range(5):
            await a_request(database, number)
            moment = NOW + timedelta(seconds=number // 2)
            columns: dict[str, Any] = dict.fromkeys(("started_ts", "completed_ts", "abandoned_ts"), moment)
            await a_run(database, a_task_id(number), state=TaskState.COMPLETED, **columns)

        found, after = [], None
        while True:
            place = after
            page, after = await database.read(lambda c, p=place: runs_of_bot(c, "bot1", TaskFilter(sort=sort), p, 2))
            found += [format_task_id(one.task_id) for one in page]
            if after is None:
                break

        assert found == [a_task_id(number) for number in (4, 3, 2, 1, 0)]
        for state in StateFilter:
            wanted = TaskFilter(sort=sort, state=state)
            await database.read(lambda c, w=wanted: runs_of_bot(c, "bot1", w, None, 2))

    async def test_dimensions_are_gathered(self, database):
        await a_bot(database, "a", dimensions={"id": ["a"], "pool": ["p"], "os": ["L", "L-1"]})
        await a_bot(database, "b", dimensions={"id": ["b"], "pool": ["q", "p"], "gpu": ["none"]})
        await a_bot(database, "c", dimensions={"id": ["c"], "os": ["M"]})

        everything = await database.read(lambda c: dimensions_in_use(c, None))
        of_q = await database.read(lambda c: dimensions_in_use(c, "q"))

        assert everything == {"gpu": ["none"], "os": ["L", "L-1", "M"], "pool": ["p", "q"]}
        assert of_q == {"gpu": ["none"], "pool": ["p", "q"]}


class TestBotStoresOnSQLite(OnSqlite, BotStores):
    pass


@pytest.mark.real("postgres")
class TestBotStoresOnPostgreSQL(OnPostgres, BotStores):
    pass


def a_task_id(number: int) -> str:
    return format_task_id(new_task_id(NOW, number))


async def set_of(database: Database, bot_id: str, **changes: Any) -> None:
    assert await database.write(lambda c: write_setting(c, bot_id, changes))


async def an_event(database: Database, number: int, at: Any) -> None:
    row = {
        "bot_event_id": f"{number:032x}",
        "bot_id": "bot1",
        "created_ts": at,
        "event_type": "bot_log",
        "version": "v1",
        "external_ip": "",
        "dimensions": {},
        "state": {},
    }
    await database.write(lambda c: c.execute(insert(tables.bot_event), [row]))


async def a_request(database: Database, number: int, **changed: Any) -> None:
    row = {
        "task_id": new_task_id(NOW, number),
        "nonce": 1,
        "shard": 0,
        "created_ts": NOW,
        "expiration_ts": NOW,
        "name": "n",
        "pool": "default",
        "priority": 0,
        "user": "",
        "tags": [],
        "request": {},
    }
    await database.write(lambda c: c.execute(insert(tables.task_request), [row | changed]))
