"""What decisions want written, and what is to be told once it is."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count, islice
from typing import TYPE_CHECKING

from swarming_common.events.envelope import Event
from swarming_common.hints.wire import Hint
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler.bot_snapshot import BotSnapshot

if TYPE_CHECKING:
    from swarming_scheduler.state import LiveRun, LiveTask, Undecided


BACKLOG_TASKS = 2_000
"""With changes of so many tasks still to be committed, what can wait does: else news would stand in line behind it."""


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a task; the shard numbers it when it is written."""

    shard: int
    task_id: TaskId
    taskseq: int
    pool: str
    created_ts: datetime
    fact: Event


@dataclass(frozen=True, slots=True)
class Cursors:
    """How far a shard has come; stored now and then, so that a takeover reads little again."""

    shard: int
    request_cursor: int
    command_cursor: int
    report_cursor: int
    last_seq: int
    relayed_seq: int


@dataclass(frozen=True, slots=True)
class LateCost:
    """What a run cost in US dollars, told after it had been given up."""

    run_id: RunId
    bot_id: str
    cost_usd: float


@dataclass(slots=True)
class Changes:
    """Notes of several decisions. Rows are taken as they are when the commit begins, so a row has one new state in a
    commit, however often it was changed."""

    tasks: "dict[TaskId, LiveTask]" = field(default_factory=dict)
    runs: "dict[RunId, LiveRun]" = field(default_factory=dict)
    bot_snapshots: dict[RunId, BotSnapshot] = field(default_factory=dict)
    """Of the bots that were given these runs."""
    events: list[Told] = field(default_factory=list)
    assigned: "list[LiveRun]" = field(default_factory=list)
    """Runs whose command the commit brings, for their gateways."""
    revoked: "list[tuple[LiveTask, LiveRun]]" = field(default_factory=list)
    """Runs that were just taken away: what their bots may have reported meanwhile decides what comes next."""
    undecided: "list[Undecided]" = field(default_factory=list)
    """Tasks whose next step needs a look at the tables."""
    late_costs: list[LateCost] = field(default_factory=list)
    hints: list[tuple[str, Hint]] = field(default_factory=list)
    cursors: list[Cursors] = field(default_factory=list)

    def __bool__(self) -> bool:
        rows = self.tasks or self.runs or self.events or self.late_costs or self.cursors
        return bool(rows or self.revoked or self.undecided or self.hints)

    @property
    def is_backlog(self) -> bool:
        """Whether commits should catch up first."""
        return len(self.tasks) > BACKLOG_TASKS

    def split(self, most_tasks: int) -> "tuple[Changes, Changes]":
        """The changes of so many tasks, each whole, and the rest. Hints and cursors speak of all that was decided
        before them, so they stay with the last part."""
        ids = dict.fromkeys([*self.tasks, *(run_id.task_id for run_id in self.runs)])
        if len(ids) <= most_tasks:
            return self, Changes()
        first, rest = Changes(), Changes(late_costs=self.late_costs, hints=self.hints, cursors=self.cursors)
        chosen = set(islice(ids, most_tasks))

        def part(task_id: TaskId) -> Changes:
            return first if task_id in chosen else rest

        for task_id, task in self.tasks.items():
            part(task_id).tasks[task_id] = task
        for run_id, run in self.runs.items():
            part(run_id.task_id).runs[run_id] = run
        for run_id, snapshot in self.bot_snapshots.items():
            part(run_id.task_id).bot_snapshots[run_id] = snapshot
        for told in self.events:
            part(told.task_id).events.append(told)
        for run in self.assigned:
            part(run.run_id.task_id).assigned.append(run)
        for task, run in self.revoked:
            part(task.task_id).revoked.append((task, run))
        for one in self.undecided:
            part(one.task.task_id).undecided.append(one)
        return first, rest

    def in_packs(self) -> list[Told]:
        """The events so ordered that those with one key stand together, each task's in their own order."""
        if len(self.events) < 2:
            return self.events
        nth: dict[TaskId, count[int]] = {}
        keyed = [
            (
                (
                    next(nth.setdefault(one.task_id, count())),
                    one.shard,
                    one.fact.name,
                    one.pool,
                ),
                one,
            )
            for one in self.events
        ]
        return [one for _, one in sorted(keyed, key=lambda pair: pair[0])]
