"""A scheduler on the embedded adapters: takeovers, feeds, commands, and what it writes."""

from typing import Any

from sqlalchemy import select, update

from swarming_common.database import tables
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.gateway import RunAssigned, ShardAlive
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from tests.unit.scheduler.surroundings import SHARD, Surroundings, until


async def test_a_task_is_handed_out_with_its_command_and_ends_as_its_bot_reports(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()

        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED)

        row = await around.result(task_id, TaskState.COMPLETED)
        assert assigned.properties.command == ("true",)
        assert (row.bot_id, row.exit_code, row.duration, row.failure) == ("bot1", 0, 1.5, False)
        assert await around.events(task_id) == ["task.queued", "task.assigned", "task.completed"]


async def test_what_no_hint_told_is_found_in_the_tables(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit(with_hint=False)

        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED, with_hint=False)

        await around.result(task_id, TaskState.COMPLETED)


async def test_a_new_owner_knows_what_waits_what_runs_and_what_was_confirmed(around: Surroundings):
    async with around.scheduler():
        around.offer()
        running = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.CONFIRMED)
        pending = await around.submit()
        await around.result(pending, TaskState.PENDING)

    async with around.scheduler():
        around.offer("bot1", "offer2")
        around.offer("bot2", "offer3")
        second = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED)
        third = await around.submit()
        fourth = await around.hear(RunAssigned, lambda hint: hint.task_id == third)  # the second may be sent again

        await around.result(running, TaskState.COMPLETED)
        assert (second.task_id, second.bot_id) == (pending, "bot2")
        assert fourth.bot_id == "bot1"


async def test_a_report_of_a_newer_release_holds_up_nothing(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
    await around.report(assigned, ReportKind.CONFIRMED, with_hint=False)
    unknown = update(tables.run_report).values(kind=99)
    await around.database.write(lambda c: c.execute(unknown) and None)

    async with around.scheduler():
        await around.report(assigned, ReportKind.FINISHED, with_hint=False)

        await around.result(task_id, TaskState.COMPLETED)


async def test_a_new_owner_sends_an_unconfirmed_run_again(around: Surroundings):
    async with around.scheduler():
        around.offer()
        await around.submit()
        first = await around.hear(RunAssigned)

    async with around.scheduler():
        around.offer("bot1", "offer2")
        again = await around.hear(RunAssigned)

    assert (again.task_id, again.run_number, again.offer_id) == (first.task_id, first.run_number, "offer2")
    assert again.properties == first.properties


async def test_a_cancel_is_answered_even_if_it_overtakes_its_task(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit(with_hint=False)
        await around.cancel(task_id)

        done = await around.hear(CommandDone)

        assert (done.command_id, done.ok, done.was_running) == ("c1", True, False)
        await around.result(task_id, TaskState.CANCELED)


async def test_a_revocation_that_its_owner_did_not_finish_leaves_a_confirmed_run_alone(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.CONFIRMED, with_hint=False)
    revoked = update(tables.task_run).where(tables.task_run.c.task_id == task_id).values(revoked=True)
    await around.database.write(lambda c: c.execute(revoked) and None)

    async with around.scheduler():
        around.offer("bot2", "offer2")
        run = select(tables.task_run).where(tables.task_run.c.task_id == task_id)

        async def row() -> Any:
            return await around.database.read(lambda c: c.execute(run).one())

        kept = await until(row, lambda found: not found.revoked)
        await around.report(assigned, ReportKind.FINISHED)
        await around.result(task_id, TaskState.COMPLETED)
        assert (kept.bot_id, kept.run_number) == ("bot1", 1)


async def test_a_refused_cancel_stays_refused(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.cancel(task_id)
        assert (await around.hear(CommandDone)).ok is False

        await around.report(assigned, ReportKind.LOST)
        around.offer("bot2", "offer2")

        again = await around.hear(RunAssigned, lambda hint: hint.run_number == 2)  # the first may be sent again
        assert (again.task_id, again.bot_id) == (task_id, "bot2")


async def test_a_scheduler_that_was_stopped_for_a_while_starts_nothing_that_is_overdue_by_now(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit()
        await around.result(task_id, TaskState.PENDING)

        around.clock.skip(seconds=400)
        around.offer()

        await around.result(task_id, TaskState.EXPIRED)
        assert await around.events(task_id) == ["task.queued", "task.expired"]


async def test_a_scheduler_whose_rows_were_changed_by_another_starts_over(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit()
        await around.result(task_id, TaskState.PENDING)
        stolen = update(tables.task_result).where(tables.task_result.c.task_id == task_id)
        values = {"state": int(TaskState.EXPIRED)}
        await around.database.write(lambda c: c.execute(stolen.values(values)) and None)

        around.offer()
        await around.hear(ShardAlive, lambda hint: hint.shard == SHARD and hint.epoch > 1)

        row = await around.result(task_id, TaskState.EXPIRED)
        assert row.bot_id is None
