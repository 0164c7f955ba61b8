"""What decisions want written, and what is to be told once it is."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING

from swarming_common.events.envelope import Event
from swarming_common.hints.wire import Hint
from swarming_common.model.task_id import RunId, TaskId

if TYPE_CHECKING:
    from swarming_scheduler.state import LiveRun, LiveTask


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


@dataclass(slots=True)
class Changes:
    """Notes of several decisions. Rows are taken as they are when the commit begins, so a row has one new state in a
    commit, however often it was changed."""

    tasks: "dict[TaskId, LiveTask]" = field(default_factory=dict)
    runs: "dict[RunId, LiveRun]" = field(default_factory=dict)
    events: list[Told] = field(default_factory=list)
    assigned: "list[LiveRun]" = field(default_factory=list)
    """Runs whose command the commit brings, for their gateways."""
    revoked: "list[tuple[LiveTask, LiveRun]]" = field(default_factory=list)
    """Runs that were just taken away: what their bots may have reported meanwhile decides what comes next."""
    hints: list[tuple[str, Hint]] = field(default_factory=list)
    cursors: list[Cursors] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.tasks or self.runs or self.events or self.hints or self.cursors)

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
