"""What happened to a task. Ids are texts as clients write them."""

from swarming_common.events.envelope import Event, event


@event("task.queued", version=1)
class TaskQueued(Event):
    """The scheduler took the task in; it waits for a bot."""

    task_id: str
    priority: int
    dimensions: dict[str, list[str]]


@event("task.reprioritized", version=1)
class TaskReprioritized(Event):
    """Somebody gave the waiting task another priority."""

    task_id: str
    priority: int
    previous_priority: int


@event("task.assigned", version=1)
class TaskAssigned(Event):
    """A run of the task was given to a bot."""

    task_id: str
    run_id: str
    bot_id: str
    pending_secs: float


@event("task.requeued", version=1)
class TaskRequeued(Event):
    """The run was never confirmed by its bot and was taken back; no retry was used up."""

    task_id: str
    run_id: str
    bot_id: str


@event("task.retried", version=1)
class TaskRetried(Event):
    """The run was lost; the task waits for another bot."""

    task_id: str
    run_id: str
    bot_id: str
    reason: str


class RunEnded(Event):
    """What the ends of a run have in common. `duration_secs` is as the bot measured it."""

    task_id: str
    run_id: str
    bot_id: str
    exit_code: int | None = None
    duration_secs: float | None = None


@event("task.completed", version=1)
class TaskCompleted(RunEnded):
    """The process of the task's current run ended by itself, with whatever exit code."""


@event("task.deduped", version=1)
class TaskDeduped(Event):
    """The task took the result of a successful twin and never ran; its state is COMPLETED. `duration_secs` and
    `cost_saved_usd` are what that run took, and so what was saved."""

    task_id: str
    deduped_from: str
    """The run whose result it took."""
    duration_secs: float | None = None
    cost_saved_usd: float | None = None


@event("task.timed_out", version=1)
class TaskTimedOut(RunEnded):
    """The task ran longer, or was silent longer, than it may."""


@event("task.killed", version=1)
class TaskKilled(RunEnded):
    """The task was cancelled while it ran."""


@event("task.bot_died", version=1)
class TaskBotDied(RunEnded):
    """The bot was lost, or failed internally, and the task is not tried again."""

    reason: str


@event("task.client_error", version=1)
class TaskClientError(RunEnded):
    """The task named inputs that do not exist."""

    reason: str


@event("task.canceled", version=1)
class TaskCanceled(Event):
    """The task was cancelled before its process ran."""

    task_id: str


@event("task.expired", version=1)
class TaskExpired(Event):
    """No bot took the task in time."""

    task_id: str


@event("task.no_resource", version=1)
class TaskNoResource(Event):
    """No bot could run any of the task's slices."""

    task_id: str
    reason: str
