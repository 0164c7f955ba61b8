"""A commit takes a bounded part of what was decided; the rest goes into the next."""

from dataclasses import fields

from swarming_common.hints.scheduler import ShardReleased
from swarming_scheduler.changes import Changes, Cursors, LateCost
from swarming_scheduler.state import Revoking, Undecided
from swarming_scheduler.usecases.hand_out import revoke
from tests.unit.scheduler.builders import BEGINNING, World


def changes_of_everything(tasks: int) -> Changes:
    """Everything that changes can note, each of several tasks."""
    world = World()
    world.commit = lambda: None  # type: ignore[method-assign]
    for number in range(tasks):
        task, run = world.running(f"bot{number}")
        revoke(world.state, task, run, Revoking.UNCONFIRMED)
        world.state.changes.undecided.append(Undecided(task, 0, since=BEGINNING, needs_twins=False))
        world.state.changes.late_costs.append(LateCost(run.run_id, run.bot_id, 0.5))
    world.state.changes.hints.append(("somewhere", ShardReleased(shard=7)))
    world.state.changes.cursors.append(Cursors(7, 1, 2, 3, 4, 5))
    return world.state.changes


def test_a_small_batch_is_taken_whole():
    changes = changes_of_everything(2)

    first, rest = changes.split(2)

    assert first is changes
    assert not rest


def test_a_large_batch_is_parted_by_task_and_nothing_is_lost():
    changes = changes_of_everything(5)

    first, rest = changes.split(2)

    for one in fields(Changes):
        whole, a, b = (getattr(part, one.name) for part in (changes, first, rest))
        assert (a | b if isinstance(whole, dict) else a + b) == whole
        assert len(whole) > 0, f"{one.name} is not tried here"
    ids = set(list(changes.tasks)[:2])
    assert set(first.tasks) == {run_id.task_id for run_id in first.runs} == {one.task_id for one in first.events} == ids
    assert set(rest.tasks).isdisjoint(ids)
    assert not ids & {one.task_id for one in rest.events}


def test_what_is_told_to_others_waits_for_the_last_part():
    first, rest = changes_of_everything(5).split(2)

    assert (first.hints, first.cursors) == ([], [])
    assert len(rest.hints) == len(rest.cursors) == 1
