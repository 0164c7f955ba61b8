"""The gateway's SQL about bots, on SQLite always and on PostgreSQL."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from swarming_botgateway.failures import in_a_row
from swarming_botgateway.history import event_of_facts
from swarming_botgateway.store.bot_commands import DeletedBot, delete_bot, given_commands
from swarming_botgateway.store.bot_events import write_bot_events
from swarming_botgateway.store.bots import change_standing, known_bot, note_shutdown
from swarming_botgateway.store.failures import cleared_at, newest_ends, write_auto_quarantine
from swarming_botgateway.store.terminations import shards_with_terminations
from swarming_common.database import tables
from swarming_common.database.bot_restrictions import bots_with_settings, is_in_maintenance, is_quarantined
from swarming_common.database.port import Database
from swarming_common.model.bot_restrictions import BY_BOT, BY_SERVER, Restriction
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from tests.databases import OnPostgres, OnSqlite
from tests.unit.botgateway.test_update_store import MINE, NOW, OTHERS, a_bot, a_run

PAST, FUTURE = NOW - timedelta(seconds=1), NOW + timedelta(seconds=1)
SET = {"quarantined": "unfit", "quarantined_by": "user:a", "quarantined_ts": PAST}
MAINTAINED = {"maintenance": "a disk", "maintenance_by": "user:a", "maintenance_ts": PAST}
AUTO = {"auto_quarantined": "fails", "auto_quarantined_ts": PAST}
STANDINGS: list[tuple[dict[str, Any], dict[str, Any] | None, str | None, bool]] = [
    ({}, None, None, False),
    ({}, {}, None, False),
    ({"quarantined": "own", "quarantined_ts": PAST}, None, BY_BOT, False),
    ({"maintenance": "own"}, None, None, True),
    ({}, SET, "user:a", False),
    ({}, SET | {"quarantined_until_ts": FUTURE}, "user:a", False),
    ({}, SET | {"quarantined_until_ts": PAST}, None, False),
    ({"quarantined": "own"}, SET, "user:a", False),
    ({"quarantined": "own"}, SET | {"quarantined_until_ts": PAST}, BY_BOT, False),
    ({}, MAINTAINED, None, True),
    ({}, MAINTAINED | {"maintenance_until_ts": PAST}, None, False),
    (AUTO, None, BY_SERVER, False),
    (AUTO, {"cleared_ts": NOW}, None, False),
    (AUTO, {"cleared_ts": PAST}, None, False),
    (AUTO, {"cleared_ts": PAST - timedelta(seconds=1)}, BY_SERVER, False),
    (AUTO | {"auto_quarantined_until_ts": PAST}, None, None, False),
    (AUTO | {"auto_quarantined_until_ts": FUTURE}, {}, BY_SERVER, False),
    (AUTO, SET | {"quarantined_until_ts": PAST}, BY_SERVER, False),
]
"""Columns of a bot and of what people set of it, who quarantines it, and whether it is in maintenance."""


class BotStores:
    """Subclasses supply `database`."""

    @pytest.mark.parametrize(("columns", "setting", "by", "is_maintained"), STANDINGS)
    async def test_who_keeps_a_bot_from_work_is_the_same_in_a_query_and_in_a_row(
        self, database, columns, setting, by, is_maintained
    ):
        await a_bot(database, "bot1", **columns)
        if setting is not None:
            await add(database, tables.bot_setting, bot_id="bot1", **setting)

        known = await database.read(lambda c: known_bot(c, "bot1"))
        query = select(is_quarantined(NOW), is_in_maintenance(NOW)).select_from(bots_with_settings())
        [found] = await database.read(lambda c: c.execute(query).all())

        restrictions = known.restrictions.at(NOW)
        assert (restrictions.quarantine and restrictions.quarantine.by) == by
        assert (restrictions.maintenance is not None) == is_maintained
        assert (bool(found[0]), bool(found[1])) == (by is not None, is_maintained)

    async def test_of_two_that_notice_a_change_one_tells_it(self, database):
        await a_bot(database, "bot1")

        firsts = [await database.write(lambda c: change_standing(c, "bot1", "", "new")) for _ in range(2)]
        back = await database.write(lambda c: change_standing(c, "bot1", "new", ""))

        assert (firsts, back) == ([True, False], True)

    async def test_only_the_process_that_is_the_bot_can_say_goodbye(self, database):
        await a_bot(database, "bot1")

        said = [
            await database.write(lambda c, s=session: note_shutdown(c, "bot1", s, NOW)) for session in (OTHERS, MINE)
        ]

        assert said == [False, True]
        assert (await database.read(lambda c: known_bot(c, "bot1"))).has_shut_down

    async def test_a_termination_is_known_among_unfinished_runs(self, database):
        await a_bot(database, "bot1")
        task = await a_run(database)
        order = await a_run(database)
        await a_request(database, task.task_id, pool="default")
        await a_request(database, order.task_id, pool=None)

        known = await database.read(lambda c: known_bot(c, "bot1"))

        assert {one.run: one.is_termination for one in known.unfinished} == {task: False, order: True}

    async def test_orders_to_end_that_wait_are_found(self, database):
        await a_request(database, 1, pool=None, shard=4)
        await a_request(database, 2, pool=None, shard=5, tags=["swarming.terminate:1", "id:bot2"])
        await a_request(database, 3, pool=None, shard=6, expiration_ts=PAST)
        await a_request(database, 4, pool="default", shard=7)
        for task_id, state in ((5, TaskState.PENDING), (6, TaskState.COMPLETED)):
            await a_request(database, task_id, pool=None, shard=task_id + 3)
            await a_result(database, task_id, state)

        assert await database.read(lambda c: shards_with_terminations(c, "bot1", NOW)) == {4, 8}

    async def test_the_newest_ends_of_a_bots_runs_are_read(self, database):
        for number, kind in enumerate([ReportKind.FINISHED, ReportKind.FAILED, ReportKind.LOST, ReportKind.FAILED]):
            at = NOW + timedelta(seconds=number)
            run = await a_run(database, started_ts=at)
            await a_report(database, run, ReportKind.CONFIRMED, created_ts=at)
            await a_report(database, run, kind, created_ts=at, message=f"m{number}")
        other = await a_run(database, bot_id="bot2")
        await a_report(database, other, ReportKind.FAILED, bot_id="bot2")

        ends = await database.read(lambda c: newest_ends(c, "bot1"))

        assert [(one.message, one.is_failure) for one in ends] == [("m3", True), ("m1", True), ("m0", False)]
        assert [one.message for one in in_a_row(ends, None)] == ["m3", "m1"]
        assert [one.message for one in in_a_row(ends, NOW + timedelta(seconds=1))] == ["m3"]

    async def test_an_automatic_quarantine_reads_back(self, database):
        await a_bot(database, "bot1")
        await add(database, tables.bot_setting, bot_id="bot1", cleared_ts=PAST)
        decided = Restriction(reason="fails", by=BY_SERVER, since=NOW, until=FUTURE)

        await database.write(lambda c: write_auto_quarantine(c, "bot1", decided))

        assert (await database.read(lambda c: known_bot(c, "bot1"))).restrictions.auto_quarantine == decided
        assert await database.read(lambda c: cleared_at(c, "bot1")) == PAST
        assert await database.read(lambda c: cleared_at(c, "bot2")) is None

    @pytest.mark.parametrize(
        ("columns", "unseen_since", "is_deleted"),
        [
            ({}, None, True),
            ({"first_seen_ts": FUTURE}, None, False),
            ({}, NOW, False),
            ({}, FUTURE, True),
            ({"shutdown_ts": PAST}, PAST, True),
        ],
    )
    async def test_a_bot_is_deleted_if_it_is_the_one_that_was_meant(self, database, columns, unseen_since, is_deleted):
        await a_bot(database, "bot1", **columns)

        deleted = await database.write(lambda c: delete_bot(c, "bot1", NOW, unseen_since))

        left = await database.read(lambda c: c.execute(select(tables.bot)).all())
        assert len(left) == (0 if is_deleted else 1)
        assert deleted == (DeletedBot({"sleep_streak": 0}, "", NOW) if is_deleted else None)

    async def test_commands_to_bots_are_fed_and_those_to_tasks_are_not(self, database):
        for command_id, bot_id in (("1", "bot1"), ("2", None), ("3", "bot2")):
            await add(
                database, tables.command, command_id=command_id, kind="k", bot_id=bot_id, arguments={"a": 1},
                given_by="me", created_ts=NOW,
            )  # fmt: skip
        feed = given_commands()

        rows = [row async for page in feed.read(database) for row in page]

        assert [(row.command_id, row.bot_id, row.arguments) for row in rows] == [
            ("1", "bot1", {"a": 1}),
            ("3", "bot2", {"a": 1}),
        ]

    async def test_an_event_with_an_id_is_stored_once(self, database):
        await a_bot(database, "bot1")
        facts = (await database.read(lambda c: known_bot(c, "bot1"))).facts
        event = event_of_facts("bot1", facts, "bot_deleted", "by\0me", NOW, event_id="e")

        for _ in range(2):
            await database.write(lambda c: write_bot_events(c, [event]))

        [row] = await database.read(lambda c: c.execute(select(tables.bot_event)).all())
        assert (row.message, row.authenticated_as) == ("by\N{REPLACEMENT CHARACTER}me", "bot:whitelisted-ip")


class TestBotStoresOnSQLite(OnSqlite, BotStores):
    pass


@pytest.mark.real("postgres")
class TestBotStoresOnPostgreSQL(OnPostgres, BotStores):
    pass


async def add(database: Database, table: Any, **row: Any) -> None:
    await database.write(lambda c: c.execute(insert(table), [row]))


async def a_request(database: Database, task_id: int, **changed: Any) -> None:
    row = {
        "task_id": task_id,
        "nonce": 1,
        "shard": 0,
        "created_ts": PAST,
        "expiration_ts": FUTURE,
        "name": "n",
        "priority": 0,
        "user": "",
        "tags": ["swarming.terminate:1", "id:bot1"],
        "request": {},
    }
    await add(database, tables.task_request, **row | changed)


async def a_result(database: Database, task_id: int, state: TaskState) -> None:
    row = {
        "task_id": task_id,
        "shard": 0,
        "state": int(state),
        "priority": 0,
        "current_slice": 0,
        "last_taskseq": 1,
        "created_ts": NOW,
        "modified_ts": NOW,
        "failure": False,
        "internal_failure": False,
    }
    await add(database, tables.task_result, **row)


async def a_report(database: Database, run: Any, kind: ReportKind, **changed: Any) -> None:
    row = {
        "task_id": run.task_id,
        "run_number": run.number,
        "bot_id": "bot1",
        "kind": kind.value,
        "shard": 0,
        "created_ts": datetime(2026, 7, 1, tzinfo=UTC),
        "hard_timeout": False,
        "io_timeout": False,
    }
    await add(database, tables.run_report, **row | changed)
