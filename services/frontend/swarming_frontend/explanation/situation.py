"""What an explanation is made of, and what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from swarming_common.model.dimensions import Requirements
from swarming_common.model.request import TaskSlice
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId


class BotStatus(StrEnum):
    """What keeps a bot from taking a task, the gravest first if there are several; IDLE: nothing does."""

    DEAD = "dead"
    QUARANTINED = "quarantined"
    MAINTENANCE = "maintenance"
    BUSY = "busy"
    IDLE = "idle"

    @property
    def is_usable(self) -> bool:
        """Whether it takes tasks, now or after the one that it has."""
        return self in (BotStatus.BUSY, BotStatus.IDLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetBot:
    """A bot as the look over all of them needs it: `dimensions` is the JSON of its row, not parsed yet."""

    bot_id: str
    dimensions: str | bytes
    last_seen_ts: datetime
    status: BotStatus
    note: str | None = None
    """Why it is quarantined or in maintenance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NearMiss:
    """Bots that have all but the same few things."""

    missing: Requirements
    count: int
    examples: tuple[str, ...]
    instead: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    """What they have for each missing key: lists of values, the most frequent first; an empty list is none at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchingBots:
    """The bots that match a slice. Those that must not run the task any more are only in `excluded`."""

    counts: dict[BotStatus, int]
    examples: dict[BotStatus, tuple[FleetBot, ...]]
    excluded: tuple[str, ...]
    sample: tuple[str, ...]
    """Some of the usable ones, evenly picked."""
    kinds: tuple[dict[str, tuple[str, ...]], ...]
    """The different dimensions of the usable ones, at most so many."""
    near_misses: tuple[NearMiss, ...]

    @property
    def usable(self) -> int:
        """How many take tasks, now or after the one that they have."""
        return self.counts[BotStatus.IDLE] + self.counts[BotStatus.BUSY]

    @property
    def unusable(self) -> int:
        """How many match but take no tasks."""
        return sum(self.counts.values()) - self.usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task stands among those that ask for the same. Without the scheduler's word only what the tables tell:
    `is_least` when there are more ahead than were counted, and no length."""

    rank: int
    ahead_by_priority: int
    ahead_by_age: int
    next_up: tuple[TaskId, ...]
    length: int | None = None
    is_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherQueues:
    """How many tasks that ask for something else, but for bots of ours too, are ahead; at least so many."""

    ahead: int = 0
    is_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LostRun:
    """A run of this task whose bot was lost."""

    bot_id: str
    reason: str | None


class Word(StrEnum):
    """What the scheduler said."""

    TOLD = "told"
    UNKNOWN = "unknown"
    """It has no such task waiting (yet)."""
    SILENT = "silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """When it may start: between these moments, as far as they can be told, and what that is based on."""

    basis: str
    earliest: datetime | None = None
    latest: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that is known of a pending task. `bots` begins with the current slice's."""

    now: datetime
    expiration_ts: datetime
    slices: Sequence[TaskSlice]
    current_slice: int
    slice_expiration_ts: datetime | None
    bots: Sequence[MatchingBots]
    place: Place
    others: OtherQueues
    lost: Sequence[LostRun]
    word: Word
    waiting_bots: int | None = None
    """How many bots of any kind wait in its shard at this moment."""
    newest_first: bool = False
    """Whether its pool starts the newest task of a priority first."""

    @property
    def asked(self) -> Requirements:
        """What the current slice asks for."""
        return self.slices[self.current_slice].properties.dimensions

    @property
    def matching(self) -> MatchingBots:
        """The bots for the current slice."""
        return self.bots[0]

    @property
    def ahead(self) -> int:
        """How many tasks its bots will probably take first."""
        return self.place.rank - 1 + self.others.ahead

    @property
    def is_ahead_least(self) -> bool:
        """Whether more may be ahead than were counted."""
        return self.place.is_least or self.others.is_least

    @property
    def next_slice_ts(self) -> datetime | None:
        """When the next slice begins; None for the last one, or before the task was taken in."""
        return self.slice_expiration_ts if self.current_slice + 1 < len(self.slices) else None


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that is to be known; `kind` is a fixed word for programs."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer. `situation` and `forecast` are there for a pending task."""

    task_id: TaskId
    state: TaskState
    summary: str
    reasons: tuple[Reason, ...]
    situation: Situation | None = None
    forecast: Forecast | None = None
