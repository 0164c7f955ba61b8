"""What runs cost: the newest sum that their bots said, however they end."""

from typing import Any

import pytest
from sqlalchemy import select

from swarming_common.database import tables
from swarming_common.hints import addresses
from swarming_common.hints.gateway import RunAssigned
from swarming_common.hints.scheduler import RunsHeard
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId
from swarming_scheduler.consumers import HINTS
from swarming_scheduler.state import LiveRun
from swarming_scheduler.usecases.hand_out import revoke_silent
from swarming_scheduler.usecases.report import hear_of_run, write_costs
from tests.unit.scheduler.builders import World
from tests.unit.scheduler.surroundings import SHARD, Surroundings, until


def hear(world: World, run: LiveRun, *costs_usd: float | None) -> None:
    for cost_usd in costs_usd:
        hear_of_run(world.state, run.run_id.task_id, run.run_id.number, world.now, cost_usd)


def test_the_largest_sum_counts_in_whatever_order_words_come(world: World):
    _, run = world.running()

    hear(world, run, 0.25, None, 0.75, 0.5)

    assert run.cost_usd == 0.75


@pytest.mark.parametrize("kind", [ReportKind.FAILED, ReportKind.LOST, ReportKind.CANCELED])
def test_an_end_that_does_not_say_the_cost_leaves_it_as_it_was_heard(world: World, kind: ReportKind):
    _, run = world.running()
    world.report(run, ReportKind.CONFIRMED, cost_usd=0.25)
    hear(world, run, 0.5)

    world.report(run, kind)

    assert (run.state.is_final, run.cost_usd) == (True, 0.5)


def test_a_run_that_is_given_up_for_silence_cost_what_was_heard(world: World):
    _, run = world.running()
    world.report(run, ReportKind.CONFIRMED)
    hear(world, run, 0.5)
    world.pass_time(90)

    revoke_silent(world.state, world.now)
    world.commit()
    world.settle()

    assert (run.state, run.cost_usd) == (TaskState.BOT_DIED, 0.5)


def test_a_cost_is_written_once_and_never_while_the_run_is_being_taken_back(world: World):
    _, run = world.running()
    hear(world, run, 0.5)
    assert not world.state.changes

    write_costs(world.state)
    written = list(world.state.changes.runs.values())
    world.commit()
    write_costs(world.state)
    assert (written, bool(world.state.changes)) == ([run], False)

    world.report(run, ReportKind.CONFIRMED)
    hear(world, run, 0.75)
    world.pass_time(90)
    revoke_silent(world.state, world.now)
    world.commit()
    write_costs(world.state)
    assert not world.state.changes


def test_a_gateway_of_an_older_release_tells_no_costs(world: World):
    _, run = world.running()
    world.pass_time(1)

    HINTS[RunsHeard](world.state, RunsHeard(runs=((run.run_id.task_id, 1),)), world.now)

    assert (run.last_heard, run.cost_usd) == (world.now, None)


async def test_what_a_run_costs_is_written_while_it_runs_and_known_to_the_next_owner(around: Surroundings):
    async with around.scheduler(costs_seconds=0.02):
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.CONFIRMED)
        around.ports.bus.send(addresses.shard(SHARD), RunsHeard(runs=((task_id, 1),), costs_usd=(0.5,)))
        [running] = await until(lambda: runs(around, task_id), lambda found: found[0].cost_usd is not None)

    async with around.scheduler():
        await around.report(assigned, ReportKind.LOST)
        await around.result(task_id, TaskState.PENDING)
        [lost] = await runs(around, task_id)

    assert (running.state, running.cost_usd) == (TaskState.RUNNING, 0.5)
    assert (lost.state, lost.cost_usd) == (TaskState.BOT_DIED, 0.5)


async def test_a_late_cost_is_added_to_the_run_that_was_given_up(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
        around.ports.bus.send(addresses.shard(SHARD), RunsHeard(runs=((task_id, 1),), costs_usd=(0.125,)))
        await around.report(assigned, ReportKind.LOST)
        around.offer("bot2", "offer2")
        await around.hear(RunAssigned, lambda hint: hint.bot_id == "bot2")

        for cost_usd in (0.25, 0.25, 0.0625):
            await around.report_late(assigned, cost_usd)

        first, second = await until(lambda: runs(around, task_id), lambda found: found[0].cost_usd == 0.25)
        assert (first.state, second.state, second.cost_usd) == (TaskState.BOT_DIED, TaskState.RUNNING, None)
        await around.result(task_id, TaskState.RUNNING)


async def runs(around: Surroundings, task_id: TaskId) -> Any:
    query = select(tables.task_run).where(tables.task_run.c.task_id == task_id).order_by(tables.task_run.c.run_number)
    return await around.database.read(lambda c: c.execute(query).all())
