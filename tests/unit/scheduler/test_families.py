"""Children end with their parents, wherever those are."""

from typing import Any

import pytest

from swarming_common.hints import addresses
from swarming_common.hints.scheduler import ParentEnded
from swarming_common.model.reports import ReportKind
from swarming_common.model.request import TaskRequest
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, new_task_id
from swarming_scheduler.state import LiveTask
from swarming_scheduler.usecases import end
from swarming_scheduler.usecases.cancel import cancel
from swarming_scheduler.usecases.children import find_orphans, note_child_elsewhere, parent_ended
from swarming_scheduler.usecases.end import end_orphans
from swarming_scheduler.usecases.expire import expire
from tests.unit.scheduler.builders import BEGINNING, World, a_request, a_slice

ELSEWHERE = new_task_id(BEGINNING, 60_000)
"""A task of another shard."""


def a_child(parent: TaskId, *, outlives: bool = False, **asked: Any) -> TaskRequest:
    request = a_request(slices=(a_slice(**asked),))
    return request.model_copy(update={"parent_run_id": f"{parent:x}1", "outlives_parent": outlives})


def told_to(world: World, shard: int) -> list[ParentEnded]:
    return [hint for address, hint in world.state.changes.hints if address == addresses.shard(shard)]  # type: ignore[misc]


@pytest.mark.parametrize(
    ("kind", "facts"),
    [
        (ReportKind.FINISHED, {"exit_code": 0, "duration": 1.0}),
        (ReportKind.FINISHED, {"exit_code": 1, "duration": 1.0}),
        (ReportKind.FINISHED, {"exit_code": -1, "duration": 1.0, "hard_timeout": True}),
        (ReportKind.FAILED, {"message": "out of disk"}),
    ],
)
def test_however_the_parent_s_run_ends_a_pending_child_is_canceled_and_a_running_one_is_told_to_stop(
    world: World, kind: ReportKind, facts: dict[str, object]
):
    parent, run = world.running("bot1")
    waits = world.submit(a_child(parent.task_id, os="Mac"))
    runs, childs_run = world.running("bot2", a_child(parent.task_id))
    world.report(childs_run, ReportKind.CONFIRMED)

    world.report(run, kind, **facts)

    assert (waits.state, waits.reason) == (TaskState.CANCELED, "its parent ended")
    assert (runs.state, childs_run.is_killing) == (TaskState.RUNNING, True)
    world.report(childs_run, exit_code=-9, duration=1.0)
    assert (runs.state, runs.reason) == (TaskState.KILLED, "its parent ended")


def test_children_of_a_canceled_an_expired_and_a_lost_parent_end(world: World):
    canceled = world.submit(a_request(slices=(a_slice(os="Mac"),)))
    expired = world.submit(a_request(slices=(a_slice(os="Mac", expiration_secs=60),)))
    lost, run = world.running("bot1")
    lost.retries = 0
    children = [world.submit(a_child(one.task_id, os="Mac")) for one in (canceled, expired, lost)]

    cancel(world.state, canceled.task_id, False, world.now)
    world.report(run, ReportKind.LOST)
    world.pass_time(60)
    expire(world.state, world.now)

    assert [one.state for one in (canceled, expired, lost)] == [
        TaskState.CANCELED,
        TaskState.EXPIRED,
        TaskState.BOT_DIED,
    ]
    assert {one.state for one in children} == {TaskState.CANCELED}


def test_killing_a_parent_ends_its_children_before_the_parent_has_ended(world: World):
    parent, _ = world.running("bot1")
    child = world.submit(a_child(parent.task_id, os="Mac"))

    cancel(world.state, parent.task_id, True, world.now)

    assert (parent.state, child.state) == (TaskState.RUNNING, TaskState.CANCELED)


def test_a_child_of_a_parent_that_is_tried_again_goes_on(world: World):
    parent, run = world.running("bot1")
    child = world.submit(a_child(parent.task_id, os="Mac"))

    world.report(run, ReportKind.LOST)

    assert (parent.state, child.state) == (TaskState.PENDING, TaskState.PENDING)


def test_a_child_that_outlives_its_parent_goes_on(world: World):
    parent, run = world.running("bot1")
    child = world.submit(a_child(parent.task_id, outlives=True, os="Mac"))

    world.report(run, exit_code=0, duration=1.0)

    assert child.state is TaskState.PENDING


def test_a_child_that_expires_together_with_its_parent_ends_once(world: World):
    parent = world.submit(a_request(slices=(a_slice(os="Mac"),)))
    child = world.submit(a_child(parent.task_id, os="Mac"))
    world.pass_time(300)

    expire(world.state, world.now)
    world.commit()

    assert (parent.state, child.state) == (TaskState.EXPIRED, TaskState.CANCELED)
    assert sorted(world.told) == ["task.canceled", "task.expired", "task.queued", "task.queued"]


def test_a_family_ends_to_its_last_generation_however_deep(world: World):
    oldest = world.submit(a_request(slices=(a_slice(os="Mac"),)))
    generations = [oldest]
    for _ in range(3000):  # deeper than Python's stack
        generations.append(world.submit(a_child(generations[-1].task_id, os="Mac")))

    cancel(world.state, oldest.task_id, False, world.now)

    assert {one.state for one in generations} == {TaskState.CANCELED}
    assert not world.state.families.children
    assert not world.state.families.elsewhere


def test_a_large_family_ends_in_parts(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(end, "CHANGED_AT_ONCE", 3)
    parent = world.submit(a_request(slices=(a_slice(os="Mac"),)))
    children = [world.submit(a_child(parent.task_id, os="Mac")) for _ in range(5)]

    cancel(world.state, parent.task_id, False, world.now)
    assert _how_many_ended(children) == 2  # with their parent they are three
    world.commit()
    end_orphans(world.state, world.now)
    assert _how_many_ended(children) == 5


def test_a_child_that_comes_after_its_parent_s_end_ends_at_once(world: World):
    parent, run = world.running("bot1")
    world.report(run, exit_code=0, duration=1.0)
    world.offer("bot2")

    child = world.submit(a_child(parent.task_id))

    assert (child.state, child.run) == (TaskState.CANCELED, None)


def test_a_child_that_comes_while_its_parent_is_being_killed_ends_at_once(world: World):
    parent, _ = world.running("bot1")
    cancel(world.state, parent.task_id, True, world.now)

    child = world.submit(a_child(parent.task_id))

    assert child.state is TaskState.CANCELED


def test_children_that_an_earlier_owner_did_not_get_to_are_found(world: World):
    parent, run = world.running("bot1")
    child = world.submit(a_child(parent.task_id, os="Mac"))
    run.is_killing = True  # as it is read from its row

    find_orphans(world.state, world.now)

    assert child.state is TaskState.CANCELED


def test_a_parent_in_another_shard_is_looked_up_until_it_ended(world: World):
    child = world.submit(a_child(ELSEWHERE, os="Mac"))
    assert world.state.families.has_new
    assert world.state.families.to_look_up(10) == [ELSEWHERE]
    assert child.state is TaskState.PENDING

    for _ in range(2):  # hint and look both tell
        parent_ended(world.state, ELSEWHERE, world.now)

    assert child.state is TaskState.CANCELED
    assert world.state.families.to_look_up(10) == []


def test_a_parent_that_is_taken_in_after_its_child_is_not_looked_up(world: World):
    parent_id = new_task_id(world.now, 1)  # the world's first
    world.state.families.add(TaskId(99), parent_id, world.state.tasks)
    assert world.state.families.to_look_up(10) == [parent_id]

    assert world.submit().task_id == parent_id

    assert world.state.families.to_look_up(10) == []


def test_of_many_parents_elsewhere_each_is_looked_up_in_turn_and_new_ones_first(world: World):
    parents = [new_task_id(BEGINNING, 50_000 + number) for number in range(4)]
    for one in parents[:3]:
        world.submit(a_child(one, os="Mac"))
    first = world.state.families.to_look_up(2)
    world.submit(a_child(parents[3], os="Mac"))

    second, third = world.state.families.to_look_up(2), world.state.families.to_look_up(2)

    assert second[0] == parents[3]
    assert {*first, *second, *third} == set(parents)


def test_the_shard_of_a_child_is_told_when_the_parent_here_ends(world: World):
    parent, _ = world.running("bot1")
    note_child_elsewhere(world.state, parent.task_id, 3)
    note_child_elsewhere(world.state, parent.task_id, 3)
    assert told_to(world, 3) == []

    cancel(world.state, parent.task_id, True, world.now)

    assert told_to(world, 3) == [ParentEnded(task_id=parent.task_id)]


def test_the_shard_of_a_child_that_came_too_late_is_told_at_once(world: World):
    parent, run = world.running("bot1")
    world.report(run, exit_code=0, duration=1.0)

    note_child_elsewhere(world.state, parent.task_id, 3)

    assert told_to(world, 3) == [ParentEnded(task_id=parent.task_id)]


def test_nothing_is_remembered_of_families_that_ended(world: World):
    for _ in range(3):
        parent, run = world.running("bot1")
        note_child_elsewhere(world.state, parent.task_id, 3)
        child = world.submit(a_child(parent.task_id, os="Mac"))
        cancel(world.state, child.task_id, False, world.now)
        world.submit(a_child(parent.task_id, os="Mac"))
        world.report(run, exit_code=0, duration=1.0)

    families = world.state.families
    left = [families.children, families.elsewhere, families.child_shards, families.orphans]
    assert not any(left)


def _how_many_ended(tasks: list[LiveTask]) -> int:
    return sum(one.state.is_final for one in tasks)
