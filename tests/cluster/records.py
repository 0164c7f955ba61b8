"""What the tables of a deployment say of its tasks, and whether their events tell the whole story."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, select

from swarming_common.database.tables import stats_minute, task_event, task_result, task_run
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, format_task_id

_ENDS = {
    TaskState.COMPLETED: "completed",
    TaskState.TIMED_OUT: "timed_out",
    TaskState.KILLED: "killed",
    TaskState.BOT_DIED: "bot_died",
    TaskState.CLIENT_ERROR: "client_error",
    TaskState.CANCELED: "canceled",
    TaskState.EXPIRED: "expired",
    TaskState.NO_RESOURCE: "no_resource",
}
_LOST_RUN = "assigned (requeued|retried) "
_ENDED_RUN = "assigned (completed|timed_out|killed|bot_died|client_error|canceled)"
_LIFE = re.compile(f"queued ({_LOST_RUN})*({_ENDED_RUN}|canceled|expired|deduped)|canceled|no_resource|deduped")


class Told(Protocol):
    """An event, from whatever source: a row, or a message."""

    shard: Any
    seq: Any
    taskseq: Any
    name: Any


@dataclass(frozen=True)
class TaskRecord:
    """How a task stands in the tables; `runs` are its rows of `task_run`, oldest first."""

    task_id: str
    state: TaskState
    runs: Sequence[Any]


def task_records(connection: Connection) -> dict[str, TaskRecord]:
    """Every task that was taken in, by its id as clients write it."""
    runs: dict[int, list[Any]] = defaultdict(list)
    for row in connection.execute(select(task_run).order_by(task_run.c.task_id, task_run.c.run_number)):
        runs[row.task_id].append(row)
    rows = connection.execute(select(task_result.c.task_id, task_result.c.state)).all()
    ids = [(row.task_id, format_task_id(TaskId(row.task_id)), TaskState(row.state)) for row in rows]
    return {text: TaskRecord(text, state, runs[number]) for number, text, state in ids}


def event_rows(connection: Connection) -> Sequence[Any]:
    """Every event, shard by shard in order."""
    return connection.execute(select(task_event).order_by(task_event.c.shard, task_event.c.seq)).all()


def counted(connection: Connection) -> dict[str, int]:
    """How many events of each name the statistics have counted."""
    counts: dict[str, int] = defaultdict(int)
    for event, count in connection.execute(select(stats_minute.c.event, stats_minute.c["count"])):
        counts[event] += count
    return dict(counts)


def faults_in_numbers(events: Iterable[Told]) -> list[str]:
    """Where the numbers of the shards' events are not 1, 2, 3 …, in the order given; each in words."""
    last: dict[int, int] = defaultdict(int)
    faults = []
    for one in events:
        if one.seq != last[one.shard] + 1:
            faults.append(f"shard {one.shard}: event {one.seq} ({one.name}) comes after {last[one.shard]}")
        last[one.shard] = one.seq
    return faults


def faults_in_stories(events: Iterable[Told], states: dict[str, TaskState], task_of: Callable[[Any], str]) -> list[str]:
    """Where the events of a task are not numbered 1, 2, 3 …, make no sense in their order, or do not end as the task
    did; each in words. `states` are the final states of the tasks that must have a story."""
    stories: dict[str, list[Told]] = {task_id: [] for task_id in states}
    for one in events:
        stories.setdefault(task_of(one), []).append(one)
    faults = []
    for task_id, story in stories.items():
        names = [one.name.removeprefix("task.") for one in story]
        if [one.taskseq for one in story] != list(range(1, len(story) + 1)):
            faults.append(f"task {task_id}: its events are numbered {[one.taskseq for one in story]}: {names}")
        elif not _LIFE.fullmatch(" ".join(name for name in names if name != "reprioritized")):
            faults.append(f"task {task_id}: its events are {names}")
        elif task_id in states and names[-1].replace("deduped", "completed") != _ENDS.get(states[task_id]):
            faults.append(f"task {task_id}: it is {states[task_id].name}, its last event is {names[-1]}")
    return faults


def task_of_row(row: Any) -> str:
    """The task of a row of `task_event`."""
    return format_task_id(TaskId(row.task_id))
