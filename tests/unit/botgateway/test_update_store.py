"""The batch of updates says and stores the same on each database, and in one statement as row by row."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, select, update

from swarming_botgateway.bot_facts import BotFacts, SeenBot
from swarming_botgateway.sessions import begin_session
from swarming_botgateway.standing import with_own_word
from swarming_botgateway.store.bots import (
    current_session,
    known_bot,
    shard_count,
    write_connected_bot,
    write_facts,
    write_seen_bots,
)
from swarming_botgateway.store.updates import Output, RunUpdate, Verdict, hot_revoked_runs, hot_updates
from swarming_common.database import tables
from swarming_common.database.port import Database
from swarming_common.errors import DataRejected
from swarming_common.hints.scheduler import Report
from swarming_common.model.bot_restrictions import RestrictionFacts
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId
from tests.databases import OnPostgres, OnSqlite
from tests.unit.botgateway.world import a_run_id

NOW = datetime(2026, 7, 1, 12, 30, 0, 123456, tzinfo=UTC)
MINE, OTHERS = begin_session("p/1", NOW, None), begin_session("p/2", NOW, None)

Write = Callable[[Database, Sequence[RunUpdate]], Awaitable[Sequence[Verdict]]]


async def hot(database: Database, updates: Sequence[RunUpdate]) -> Sequence[Verdict]:
    return await database.write_hot(hot_updates(updates))


async def portably(database: Database, updates: Sequence[RunUpdate]) -> Sequence[Verdict]:
    return await database.write(hot_updates(updates).portable)


class UpdateStoreContract:
    """Subclasses supply `database` and `write`."""

    write: Write = staticmethod(hot)

    async def test_every_kind_of_update_gets_its_verdict_in_order(self, database):
        ours, theirs, revoked, over = [
            await a_run(database, **how)
            for how in ({}, {"bot_id": "bot2"}, {"revoked": True}, {"state": int(TaskState.COMPLETED)})
        ]
        killed = await a_run(database, killing=True, shard=7)
        unknown = a_run_id()
        updates = [said(run, content=b"x") for run in (ours, theirs, revoked, over, killed, unknown)]

        verdicts = await self.write(database, updates)

        assert [one.is_current for one in verdicts] == [True, False, False, False, True, False]
        assert not any(one.is_repeat for one in verdicts)
        assert [one.killing for one in verdicts] == [False, False, False, False, True, False]
        assert [one.shard for one in verdicts] == [3, 3, 3, 3, 7, None]
        assert [one.state for one in verdicts] == [16, 16, 16, 112, 16, None]
        assert {row.task_id for row in await rows(database, tables.task_output)} == {ours.task_id, killed.task_id}

    async def test_a_report_is_stored_as_it_was_said(self, database):
        run = await a_run(database)
        report = Report(
            kind=ReportKind.FINISHED,
            created_ts=NOW,
            exit_code=-15,
            duration=11.1125416,
            io_timeout=True,
            cost_usd=3.7e-05,
            details={"bot_overhead": 0.9, "cleanup_stats": {"duration": 1e-06}},
        )

        await self.write(database, [said(run, report)])

        [row] = await rows(database, tables.run_report)
        assert (row.task_id, row.run_number, row.bot_id) == (run.task_id, run.number, "bot1")
        assert (row.kind, row.shard, row.created_ts) == ("finished", 3, NOW)
        assert (row.exit_code, row.duration, row.cost_usd) == (-15, 11.1125416, 3.7e-05)
        assert (row.hard_timeout, row.io_timeout, row.message) == (False, True, None)
        assert row.details == report.details

    async def test_writing_the_same_batch_again_changes_nothing(self, database):
        run = await a_run(database)
        batch = [said(run, confirmed()), said(run, content=b"\0\xff"), said(run, finished(0))]

        first = await self.write(database, batch)
        again = await self.write(database, batch)

        assert [one.is_accepted for one in first] == [True, True, True]
        assert [one.is_accepted for one in again] == [False, False, True]
        assert [(row.start, row.content) for row in await rows(database, tables.task_output)] == [(0, b"\0\xff")]
        assert sorted(row.kind for row in await rows(database, tables.run_report)) == ["confirmed", "finished"]

    async def test_after_the_first_end_only_the_same_end_is_a_repeat(self, database):
        run = await a_run(database)
        await self.write(database, [said(run, finished(0))])

        failed = Report(kind=ReportKind.FAILED, created_ts=NOW, message="x")
        batch = [said(run, finished(0)), said(run, finished(1)), said(run, failed), said(run)]
        verdicts = await self.write(database, batch)

        assert [one.is_repeat for one in verdicts] == [True, False, False, False]
        assert not any(one.is_current for one in verdicts)
        assert [row.kind for row in await rows(database, tables.run_report)] == ["finished"]

    async def test_a_run_that_was_given_up_keeps_output_and_how_it_ended_under_another_name(self, database):
        run, killed = await a_run(database), await a_run(database)
        await self.write(database, [said(run, confirmed()), said(killed, confirmed())])
        for one, state in ((run, TaskState.BOT_DIED), (killed, TaskState.KILLED)):
            await change_run(database, one, state=int(state))
        lost = Report(kind=ReportKind.LOST, created_ts=NOW)

        batch = [said(run, content=b"x"), said(run, lost), said(run, session=str(OTHERS)), said(killed, finished(0))]
        verdicts = await self.write(database, batch)
        again = await self.write(database, [said(run, finished(3)), said(killed, finished(0)), said(killed)])

        assert not any(one.is_current for one in [*verdicts, *again])
        assert [one.is_late for one in verdicts] == [True, True, False, True]
        assert [one.is_late for one in again] == [True, False, False]
        assert [row.task_id for row in await rows(database, tables.task_output)] == [run.task_id]
        reports = {(row.task_id, row.kind, row.exit_code) for row in await rows(database, tables.run_report)}
        late = {(run.task_id, "late", 3), (killed.task_id, "late", 0)}
        assert reports == late | {(one.task_id, "confirmed", None) for one in (run, killed)}

    async def test_a_run_that_is_being_taken_back_can_only_be_given_back(self, database):
        run = await a_run(database, revoked=True)
        given_back = Report(kind=ReportKind.CANCELED, created_ts=NOW)

        batch = [said(run), said(run, confirmed()), said(run, given_back)]
        verdicts = await self.write(database, batch)

        assert [one.is_current for one in verdicts] == [False, False, True]
        assert [row.kind for row in await rows(database, tables.run_report)] == ["canceled"]

    async def test_only_the_session_that_confirmed_goes_on(self, database):
        run = await a_run(database)
        await self.write(database, [said(run, confirmed())])

        batch = [said(run), said(run, session=str(OTHERS)), said(run, session=None)]
        verdicts = await self.write(database, batch)

        assert [one.is_current for one in verdicts] == [True, False, True]

    async def test_only_the_current_process_of_the_bot_begins_its_run(self, database):
        await a_bot(database, "bot1", session=str(MINE))
        await a_bot(database, "bot2", session=str(OTHERS))
        runs = [await a_run(database) for _ in range(6)]
        same_process_begun_earlier = replace(MINE, began_ms=MINE.began_ms - 1)
        sessions = [str(MINE), str(same_process_begun_earlier), None, str(OTHERS), "no token of ours", ""]

        batch = [
            said(run, confirmed(), session=session, content=b"x") for run, session in zip(runs, sessions, strict=True)
        ]
        verdicts = await self.write(database, batch)

        assert [one.is_current for one in verdicts] == [True, True, True, False, False, False]
        taken = {run.task_id for run in runs[:3]}
        assert {row.task_id for row in await rows(database, tables.run_report)} == taken
        assert {row.task_id for row in await rows(database, tables.task_output)} == taken

    async def test_a_first_word_is_judged_by_its_process_whatever_it_says(self, database):
        await a_bot(database, "bot1", session=str(MINE))
        run, given_up = await a_run(database), await a_run(database, state=int(TaskState.BOT_DIED))
        failed = Report(kind=ReportKind.FAILED, created_ts=NOW, message="x")

        others = str(OTHERS)
        foreign = [said(run, report, session=others) for report in (None, failed, finished(0))]
        foreign.append(said(given_up, content=b"x", session=others))
        refused = await self.write(database, foreign)
        taken = await self.write(database, [said(run, finished(0)), said(given_up, content=b"x")])

        assert not any(one.is_current or one.is_late or one.is_repeat for one in refused)
        assert [(one.is_current, one.is_late) for one in taken] == [(True, False), (False, True)]

    async def test_a_process_that_has_a_run_keeps_it_when_a_newer_one_shakes_hands(self, database):
        await a_bot(database, "bot1", session=str(MINE))
        run = await a_run(database)
        await self.write(database, [said(run, confirmed())])
        await a_bot(database, "bot1", session=str(OTHERS))

        verdicts = await self.write(database, [said(run), said(run, session=str(OTHERS))])

        assert [one.is_current for one in verdicts] == [True, False]

    async def test_a_run_that_was_begun_without_a_session_still_goes_on_for_the_current_process_alone(self, database):
        await a_bot(database, "bot1", session=str(MINE))
        run = await a_run(database)
        await self.write(database, [said(run, confirmed(), session=None)])

        verdicts = await self.write(database, [said(run, session=None), said(run), said(run, session=str(OTHERS))])

        assert [one.is_current for one in verdicts] == [True, True, False]

    async def test_a_bot_without_a_session_is_not_kept_from_its_run(self, database):
        await a_bot(database, "bot1", session=None)
        known, deleted = await a_run(database), await a_run(database, bot_id="bot2")

        batch = [said(known, confirmed()), replace(said(deleted, confirmed()), bot_id="bot2")]
        verdicts = await self.write(database, batch)

        assert [one.is_current for one in verdicts] == [True, True]

    async def test_the_same_chunk_twice_in_a_batch_is_stored_once(self, database):
        run = await a_run(database)
        batch = [said(run, content=b"abc", start=4), said(run, content=b"abc", start=4)]

        verdicts = await self.write(database, batch)

        assert all(one.is_current for one in verdicts)
        assert [(row.start, row.content) for row in await rows(database, tables.task_output)] == [(4, b"abc")]

    async def test_of_chunks_at_one_offset_the_longest_is_kept_whoever_else_claims_the_run(self, database):
        run = await a_run(database)
        foreign = replace(said(run, content=b"not its run"), bot_id="bot2")

        await self.write(database, [said(run, content=b"abc"), foreign, said(run, content=b"abc\0\xff"), said(run)])
        first = await rows(database, tables.task_output)
        await self.write(database, [said(run, content=b"ab"), said(run, content=b"xyz\0\xff")])
        second = await rows(database, tables.task_output)
        await self.write(database, [said(run, content=b"abc\0\xff and more")])
        third = await rows(database, tables.task_output)

        assert [[row.content for row in found] for found in (first, second, third)] == [
            [b"abc\0\xff"],
            [b"abc\0\xff"],
            [b"abc\0\xff and more"],
        ]


class BotStoreContract:
    """Subclasses supply `database`."""

    async def test_a_bot_is_known_with_its_unfinished_runs(self, database):
        await a_bot(database, "bot1")
        await a_bot(database, "bot2")
        confirmed_run, new, ended = [await a_run(database) for _ in range(3)]
        await a_run(database, revoked=True)
        await a_run(database, state=int(TaskState.KILLED))
        batch = [said(confirmed_run, confirmed()), said(ended, finished(0))]
        await hot(database, batch)

        bot1, bot2, bot3 = [await database.read(lambda c, b=b: known_bot(c, b)) for b in ("bot1", "bot2", "bot3")]

        assert bot3 is None
        assert bot2.unfinished == ()
        assert bot1.session == MINE
        assert {one.run: (one.is_confirmed, one.confirmed_by) for one in bot1.unfinished} == {
            confirmed_run: (True, MINE),
            new: (False, None),
        }

    async def test_a_run_that_was_taken_back_is_told_from_one_that_was_not(self, database):
        current, revoked = await a_run(database), await a_run(database, revoked=True)
        asked = [(current, "bot1"), (current, "bot2"), (revoked, "bot1")]

        in_one = await database.read_hot(hot_revoked_runs(asked))
        portably = await database.read(hot_revoked_runs(asked).portable)

        assert list(in_one) == list(portably) == [False, True, True]

    async def test_a_bot_that_comes_again_keeps_when_it_was_first_seen(self, database):
        await a_bot(database, "bot1")
        await a_bot(database, "bot1", version="v2", first_seen_ts=NOW.replace(year=2027), session=str(OTHERS))

        [row] = await rows(database, tables.bot)
        session = await database.write(lambda c: current_session(c, "bot1"))

        assert (row.version, row.first_seen_ts, session) == ("v2", NOW, OTHERS)

    async def test_facts_replace_what_was_known(self, database):
        await a_bot(database, "bot1")
        facts = BotFacts(dimensions={"id": ["bot1"]}, version="v2", quarantined="why", maintenance=None)

        said = with_own_word(RestrictionFacts(), facts, NOW)

        await database.write(lambda c: write_facts(c, "bot1", facts, said))

        known = await database.read(lambda c: known_bot(c, "bot1"))
        assert known.facts == facts
        assert known.restrictions.own_quarantine == said.own_quarantine

    async def test_what_was_seen_moves_only_forward(self, database):
        for bot_id in ("bot1", "bot2"):
            await a_bot(database, bot_id)
        later, earlier = NOW.replace(hour=13), NOW.replace(hour=11)
        seen = [
            SeenBot(bot_id="bot2", last_seen=later, state={"running_time": 9}),
            SeenBot(bot_id="bot1", last_seen=later, state=None),
        ]
        old = [SeenBot(bot_id="bot1", last_seen=earlier, state={"running_time": 0})]

        await database.write(lambda c: write_seen_bots(c, seen))
        await database.write(lambda c: write_seen_bots(c, old))

        found = {row.bot_id: (row.last_seen_ts, row.state) for row in await rows(database, tables.bot)}
        assert found == {"bot1": (later, {"sleep_streak": 0}), "bot2": (later, {"running_time": 9})}

    async def test_the_shards_are_counted(self, database):
        assert await database.read(shard_count) == 16


class TestUpdatesOnSQLite(OnSqlite, UpdateStoreContract, BotStoreContract):
    pass


@pytest.mark.real("postgres")
class TestUpdatesOnPostgres(OnPostgres, UpdateStoreContract, BotStoreContract):
    async def test_a_nul_fails_its_own_batch_with_a_word_on_the_data(self, database):
        run = await a_run(database)

        with pytest.raises(DataRejected):
            await hot(database, [said(run, session="a\0b")])


class TestUpdatesRowByRowOnPostgres(TestUpdatesOnPostgres):
    write = staticmethod(portably)


async def a_run(database: Database, **changed: object) -> RunId:
    run = a_run_id()
    row = {
        "task_id": run.task_id, "run_number": run.number, "shard": 3, "bot_id": "bot1", "state": 16, "slice": 0,
        "offer_id": "g-1", "revoked": False, "killing": False, "bot_snapshot_id": 1, "started_ts": NOW,
        "failure": False, "internal_failure": False,
    }  # fmt: skip
    await database.write(lambda c: c.execute(insert(tables.task_run), row | changed))
    return run


async def change_run(database: Database, run: RunId, **changes: object) -> None:
    statement = update(tables.task_run).where(tables.task_run.c.task_id == run.task_id).values(**changes)
    await database.write(lambda c: c.execute(statement))


async def a_bot(database: Database, bot_id: str, **changed: object) -> None:
    row = {
        "bot_id": bot_id, "dimensions": {"id": [bot_id]}, "state": {"sleep_streak": 0}, "version": "v1",
        "session": str(MINE), "external_ip": "", "authenticated_as": "bot:x", "first_seen_ts": NOW,
        "last_seen_ts": NOW, "quarantined": None, "maintenance": None,
    }  # fmt: skip
    await database.write(lambda c: write_connected_bot(c, row | changed))


def said(
    run: RunId,
    report: Report | None = None,
    *,
    content: bytes | None = None,
    start: int = 0,
    session: str | None = str(MINE),
) -> RunUpdate:
    output = None if content is None else Output(start, content)
    return RunUpdate(run=run, bot_id="bot1", session=session, output=output, report=report)


def confirmed() -> Report:
    return Report(kind=ReportKind.CONFIRMED, created_ts=NOW)


def finished(exit_code: int) -> Report:
    return Report(kind=ReportKind.FINISHED, created_ts=NOW, exit_code=exit_code, duration=1.1)


async def rows(database: Database, table):
    return await database.read(lambda c: c.execute(select(table)).all())
