"""Which bots there are, so that a task that none of them could ever run is told so at once.

Bots with the same dimensions are one kind, however many they are. What is known may lag behind the table `bot`: so that
there is capacity is believed at once, that there is none only after a look at the table (fleet.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from swarming_common.model.dimensions import BotDimensions, Requirements, asked_ids, matches, pool_of

REMEMBERED_ANSWERS = 20_000

NEVER = datetime.min.replace(tzinfo=UTC)

KindKey = frozenset[tuple[str, frozenset[str]]]


@dataclass(frozen=True, slots=True)
class SeenBot:
    """A bot as the table has it."""

    bot_id: str
    dimensions: BotDimensions
    last_seen: datetime


@dataclass(slots=True, eq=False)
class BotKind:
    """Bots with the same dimensions but their id, and when each was last heard of."""

    key: KindKey
    dimensions: BotDimensions
    members: dict[str, datetime] = field(default_factory=dict)
    newest: datetime = NEVER

    def has_live(self, seen_after: datetime | None) -> bool:
        """Whether one of them was heard of after this moment, or at all."""
        return bool(self.members) and (seen_after is None or self.newest > seen_after)

    def count_live(self, seen_after: datetime | None) -> int:
        """How many of them were."""
        return sum(seen_after is None or seen > seen_after for seen in self.members.values())


class Capacity:
    """The bots that are known, and what they could run."""

    def __init__(self) -> None:
        self._kinds: dict[KindKey, BotKind] = {}
        self._kind_of: dict[str, BotKind] = {}
        self._by_pool: dict[str, dict[KindKey, BotKind]] = {}
        self._able: dict[Requirements, BotKind] = {}
        """The kind that was the last answer."""
        self._dead_able: dict[Requirements, tuple[BotKind, ...]] = {}
        """Where no live bot could run a task: all the kinds that could, as long as no kind comes or goes."""
        self.shortfalls: dict[Requirements, str] = {}
        """Words for what is missing, as of the last look: many tasks ask for the same."""
        self.read_since: datetime | None = None
        """When the last complete look at the table began; None before the first."""

    def __len__(self) -> int:
        return len(self._kind_of)

    def note(self, bot: SeenBot) -> None:
        """This bot is there now."""
        own = {key: tuple(values) for key, values in bot.dimensions.items() if key != "id"}
        kind = self._kind_of.get(bot.bot_id)
        if kind is None or (own != kind.dimensions and _key(own) != kind.key):
            self._leave(bot.bot_id)
            kind = self._kind_of[bot.bot_id] = self._kind(own)
        if kind.members.get(bot.bot_id, NEVER) < bot.last_seen:
            kind.members[bot.bot_id] = bot.last_seen
            kind.newest = max(kind.newest, bot.last_seen)

    def replace(self, bots: Iterable[SeenBot], began: datetime) -> None:
        """The table has these and no others, by a look that began then; what was noted since is newer than the look."""
        gone = set(self._kind_of)
        for bot in bots:
            gone.discard(bot.bot_id)
            if not self._was_noted_since(bot.bot_id, began):
                self.note(bot)
        for bot_id in gone:
            if not self._was_noted_since(bot_id, began):
                self._leave(bot_id)
        self.read_since = began
        self.shortfalls.clear()

    def was_read_since(self, moment: datetime) -> bool:
        """Whether a complete look at the table began at this moment or later."""
        return self.read_since is not None and self.read_since >= moment

    def has(self, asked: Requirements, seen_after: datetime | None) -> bool:
        """Whether a live bot could run this."""
        ids = asked_ids(asked)
        if ids:
            return any(self._matches(bot_id, asked, seen_after) for bot_id in ids)
        last = self._able.get(asked)
        if last is not None and last.has_live(seen_after):
            return True
        dead = []
        for kind in self._maybe_able(asked):
            if matches(asked, kind.dimensions):
                if kind.has_live(seen_after):
                    _remember(self._able, asked, kind)
                    return True
                dead.append(kind)
        _remember(self._dead_able, asked, tuple(dead))
        return False

    def kinds(self, pool: str | None) -> Iterable[BotKind]:
        """The kinds of bots in a pool; all kinds for None."""
        return self._kinds.values() if pool is None else self._by_pool.get(pool, {}).values()

    def kind_of(self, bot_id: str) -> BotKind | None:
        """The kind of a bot, None for an unknown one."""
        return self._kind_of.get(bot_id)

    def _maybe_able(self, asked: Requirements) -> Iterable[BotKind]:
        known = self._dead_able.get(asked)
        return self.kinds(pool_of(asked)) if known is None else known

    def _matches(self, bot_id: str, asked: Requirements, seen_after: datetime | None) -> bool:
        kind = self._kind_of.get(bot_id)
        if kind is None or (seen_after is not None and kind.members[bot_id] <= seen_after):
            return False
        return matches(without_id(asked), kind.dimensions)

    def _was_noted_since(self, bot_id: str, moment: datetime) -> bool:
        kind = self._kind_of.get(bot_id)
        return kind is not None and kind.members[bot_id] > moment

    def _kind(self, own: BotDimensions) -> BotKind:
        key = _key(own)
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = BotKind(key, own)
            for pool in own.get("pool", ()):
                self._by_pool.setdefault(pool, {})[key] = kind
            self._dead_able.clear()
        return kind

    def _leave(self, bot_id: str) -> None:
        kind = self._kind_of.pop(bot_id, None)
        if kind is None:
            return
        seen = kind.members.pop(bot_id)
        if not kind.members:
            del self._kinds[kind.key]
            for pool in kind.dimensions.get("pool", ()):
                del self._by_pool[pool][kind.key]
            self._dead_able.clear()
        elif seen == kind.newest:
            kind.newest = max(kind.members.values())


def without_id(asked: Requirements) -> Requirements:
    """What is asked for but the id."""
    return tuple((key, value) for key, value in asked if key != "id")


def _key(own: BotDimensions) -> KindKey:
    return frozenset((name, frozenset(values)) for name, values in own.items())


Answer = TypeVar("Answer")


def _remember(answers: dict[Requirements, Answer], asked: Requirements, answer: Answer) -> None:
    if len(answers) >= REMEMBERED_ANSWERS:
        answers.clear()
    answers[asked] = answer
