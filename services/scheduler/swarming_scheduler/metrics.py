"""What the scheduler measures."""

from prometheus_client import Counter, Gauge, Histogram

from swarming_common.events.tasks import TaskAssigned
from swarming_scheduler.changes import Changes
from swarming_scheduler.state import ShardState

_TOLD = Counter(
    "swarming_scheduler_task_events_total",
    "Counts committed changes of tasks, by the event that tells them.",
    ["event"],
)
_QUEUE_WAIT = Histogram(
    "swarming_scheduler_queue_wait_seconds",
    "Observed when a task is assigned: the time since it was submitted.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 43200),
)
_PENDING = Gauge("swarming_scheduler_pending_tasks", "Tasks that wait for a bot, as of the last second.", ["shard"])
_RUNNING = Gauge("swarming_scheduler_running_tasks", "Tasks that a bot has, as of the last second.", ["shard"])
_WAITING = Gauge("swarming_scheduler_waiting_bots", "Bots that wait for work, as of the last second.", ["shard"])
OWNED = Gauge("swarming_scheduler_owned_shards", "Shards that this process serves now.")
COMMITS = Histogram(
    "swarming_scheduler_commit_seconds",
    "Observed at each commit: how long the database took.",
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5),
)


def count(changes: Changes) -> None:
    """Count what a commit changed."""
    for told in changes.events:
        _TOLD.labels(told.fact.name).inc()
        if isinstance(told.fact, TaskAssigned):
            _QUEUE_WAIT.observe(told.fact.pending_secs)


def forget(shard: int) -> None:
    """Show nothing of a shard any more: whoever has it now does."""
    for gauge in (_PENDING, _RUNNING, _WAITING):
        gauge.remove(shard)


def show(shard: int, state: ShardState) -> None:
    """Show how much a shard has."""
    pending = state.count_pending()
    _PENDING.labels(shard).set(pending)
    _RUNNING.labels(shard).set(len(state.tasks) - pending)
    _WAITING.labels(shard).set(state.engine.waiting)
