"""Where a pending task stands."""

from dataclasses import dataclass

from swarming_common.model.task_id import TaskId

SHOWN_AHEAD = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A task's place among the tasks that ask for the same dimensions."""

    rank: int
    """1 for the next of its queue."""
    ahead_by_priority: int
    """How many of its queue go first because their priority is better."""
    ahead_by_age: int
    """How many of the same priority go first: they are older, or newer in a pool that serves the newest first."""
    queue_length: int
    next_up: tuple[TaskId, ...]
    """The first that go before it, at most SHOWN_AHEAD."""
