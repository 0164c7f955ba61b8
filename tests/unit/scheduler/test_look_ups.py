"""What a scheduler looks up in the tables when a task comes in: bots, and twins whose results will do."""

import pytest

from swarming_common.hints.gateway import RunAssigned
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_common.pools.port import FixedPools
from swarming_scheduler.fleet import Fleet
from swarming_scheduler.settings import Rules, SchedulerSettings
from swarming_scheduler.shard import Shard
from swarming_scheduler.usecases.choose_slice import decide
from swarming_scheduler.usecases.take_in import take_in
from tests.unit.scheduler.builders import a_request
from tests.unit.scheduler.surroundings import SHARD, Surroundings


@pytest.mark.parametrize("with_hint", [True, False])
async def test_a_task_that_no_bot_could_run_ends_at_once(around: Surroundings, with_hint):
    async with around.scheduler():
        task_id = await around.submit(with_hint=with_hint, waits=False)

        row = await around.result(task_id, TaskState.NO_RESOURCE)

        assert row.reason == "no bot is in pool default"
        assert await around.events(task_id) == ["task.no_resource"]


async def test_an_idempotent_task_takes_the_result_of_its_twin(around: Surroundings):
    async with around.scheduler():
        around.offer()
        first = await around.submit(properties_hash="abc")
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED)
        await around.result(first, TaskState.COMPLETED)

        second = await around.submit(properties_hash="abc")

        row = await around.result(second, TaskState.COMPLETED)
        assert (row.deduped_task_id, row.deduped_run_number, row.run_number) == (first, 1, None)
        assert (row.bot_id, row.duration, row.properties_hash) == ("bot1", 1.5, None)
        assert await around.events(second) == ["task.deduped"]


async def test_the_feed_s_cursor_does_not_pass_a_request_without_a_row(around: Surroundings):
    row = {"shard": SHARD, "epoch": 1, "last_seq": 0, "relayed_seq": 0}
    row |= {"request_cursor": 0, "command_cursor": 0, "report_cursor": 0}
    fleet = Fleet(around.database, around.ports.clock)
    shard = Shard(around.ports, Rules.of(SchedulerSettings(), FixedPools()), row, fleet, lambda: None)
    now = around.ports.clock.now()
    await around.submit(with_hint=False, waits=False)
    async for rows in shard._requests.read(around.database):
        for found in rows:
            take_in(shard.state, found.task_id, found.created_ts, a_request(), now)

    shard.note_cursors()
    undecided = shard.state.changes.cursors[-1].request_cursor
    [one] = shard.state.changes.undecided
    shard.state.capacity.replace([], now)
    decide(shard.state, one, {}, now)
    shard.note_cursors()

    assert undecided == 0
    assert shard.state.changes.cursors[-1].request_cursor > 0
