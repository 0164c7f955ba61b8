"""What a frontend reads."""

from datetime import datetime

from swarming_common.hints.wire import Hint
from swarming_common.model.task_id import TaskId


class CommandDone(Hint):
    """The owner acted on a command of this frontend; `ok` is what to tell the caller."""

    command_id: str
    ok: bool
    was_running: bool = False
    priority: int | None = None


class WhyAnswered(Hint):
    """What the owner's memory knows of a task that a frontend asked about. When it does not wait there (yet, or any
    more), `is_waiting` is False and the rest means nothing."""

    question_id: str
    is_waiting: bool
    current_slice: int = 0
    slice_expiration_ts: datetime | None = None
    rank: int = 0
    """Counting from 1, among the tasks that ask for the same dimensions."""
    queue_length: int = 0
    ahead_by_priority: int = 0
    ahead_by_age: int = 0
    next_up: tuple[TaskId, ...] = ()
    """The first few of those that stand before it."""
    excluded_bots: tuple[str, ...] = ()
    waiting_bots: int = 0
    """How many bots of any kind wait for work in the shard."""


class TasksPending(Hint):
    """How many tasks wait in each pool of a shard that has a limit, once a second while any pool has one; a pool that
    is not named has none waiting."""

    shard: int
    pending: dict[str, int]
