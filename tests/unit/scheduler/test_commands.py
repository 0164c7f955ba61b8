"""What people ask of tasks: found by hint and feed, acted on once, and not forgotten by the next owner."""

import pytest
from sqlalchemy import update

from swarming_common.database import tables
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.gateway import RunAssigned
from swarming_common.hints.scheduler import ChildSubmitted, CommandsGiven
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from tests.unit.scheduler.surroundings import SHARD, Surroundings

OTHER_POOL = "mac"
OTHER_SHARD = shard_of_pool(OTHER_POOL)


@pytest.fixture
def parents_looked_at_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swarming_scheduler.parents.LOOK_SECONDS", 0.05)


async def test_commands_that_no_hint_told_are_found(around: Surroundings):
    async with around.scheduler():
        task_ids = [await around.submit() for _ in range(3)]
        for number, task_id in enumerate(task_ids):
            await around.command(f"c{number}", "cancel", task_id, {}, with_hint=False)

        for task_id in task_ids:
            await around.result(task_id, TaskState.CANCELED)


async def test_one_hint_tells_of_many_commands(around: Surroundings):
    async with around.scheduler(feed_seconds=3600):
        task_ids = [await around.submit(with_hint=False) for _ in range(3)]
        for number, task_id in enumerate(task_ids):
            await around.command(f"c{number}", "cancel", task_id, {}, with_hint=False)
        around.ports.bus.send(addresses.shard(SHARD), CommandsGiven())

        for task_id in task_ids:
            await around.result(task_id, TaskState.CANCELED)


async def test_a_new_priority_is_answered_written_told_and_kept_by_the_next_owner(around: Surroundings):
    async with around.scheduler():
        first, second = await around.submit(priority=50), await around.submit(priority=50)
        await around.result(second, TaskState.PENDING)
        await around.command("c1", "priority", second, {"priority": 30})
        done = await around.hear(CommandDone)
        assert (done.command_id, done.ok, done.priority) == ("c1", True, 30)

    async with around.scheduler():
        around.offer()
        assigned = await around.hear(RunAssigned)

        assert assigned.task_id == second != first
        row = await around.result(second, TaskState.RUNNING)
        assert (row.priority, row.prioritized_ts is not None) == (30, True)
        assert await around.events(second) == ["task.queued", "task.reprioritized", "task.assigned"]


async def test_a_new_owner_that_reads_an_old_wish_again_keeps_the_later_one(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit(priority=50)
        for number, priority in enumerate((90, 30)):
            await around.command(f"c{number}", "priority", task_id, {"priority": priority})
            await around.hear(CommandDone)
    forget = update(tables.shard).values(command_cursor=0)
    await around.database.write(lambda c: c.execute(forget) and None)
    older_last = update(tables.command).where(tables.command.c.command_id == "c0").values(tx=1_000)
    await around.database.write(lambda c: c.execute(older_last) and None)

    async with around.scheduler():
        again = [await around.hear(CommandDone) for _ in range(2)]

        assert [(one.command_id, one.ok, one.priority) for one in again] == [("c1", True, 30), ("c0", True, 30)]
        assert (await around.result(task_id, TaskState.PENDING)).priority == 30


async def test_a_command_that_makes_no_sense_blocks_none_behind_it(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit()
        await around.command("c1", "dance", task_id, {}, with_hint=False)
        await around.command("c2", "priority", task_id, {"priority": None}, with_hint=False)
        await around.command("c3", "cancel", task_id, {}, with_hint=False)

        assert (await around.hear(CommandDone)).command_id == "c3"


@pytest.mark.usefixtures("parents_looked_at_often")
async def test_the_end_of_a_parent_in_another_shard_is_found_in_the_tables(around: Surroundings):
    async with around.scheduler():
        parent = await around.submit()
        child = await around.submit(pool=OTHER_POOL, parent=parent)
        await around.result(child, TaskState.PENDING)

        await around.cancel(parent)

        row = await around.result(child, TaskState.CANCELED)
        assert row.reason == "its parent ended"


async def test_a_child_of_a_parent_that_is_told_to_stop_in_another_shard_ends(around: Surroundings):
    async with around.scheduler():
        around.offer()
        parent = await around.submit()
        await around.hear(RunAssigned)
        child = await around.submit(pool=OTHER_POOL, parent=parent)
        around.ports.bus.send(addresses.shard(SHARD), ChildSubmitted(parent_task_id=parent, shard=OTHER_SHARD))

        await around.command("c1", "cancel", parent, {"kill_running": True})

        await around.result(child, TaskState.CANCELED)
        assert (await around.result(parent, TaskState.RUNNING)).abandoned_ts is not None


@pytest.mark.usefixtures("parents_looked_at_often")
async def test_a_next_owner_ends_children_of_a_parent_that_ended_meanwhile(around: Surroundings):
    async with around.scheduler():
        parent = await around.submit()
        child = await around.submit(pool=OTHER_POOL, parent=parent)
        await around.result(parent, TaskState.PENDING)
        await around.result(child, TaskState.PENDING)
    ended = update(tables.task_result).where(tables.task_result.c.task_id == parent)
    await around.database.write(lambda c: c.execute(ended.values(state=int(TaskState.EXPIRED))) and None)

    async with around.scheduler():
        await around.result(child, TaskState.CANCELED)
