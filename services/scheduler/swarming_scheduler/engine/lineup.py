"""Queues, or classes of bots, in the order of what waits in each.

There are two line-ups: the queues, each with its first task, and the classes, each with its longest waiting bot.
Members of one seek a member of the other: the one with the lowest first among those within their reach.
"""

from collections.abc import Callable, Hashable, Iterator
from itertools import islice
from typing import Generic, Protocol, TypeVar

from swarming_scheduler.engine.reach import Reach, Reaches
from swarming_scheduler.engine.standings import RANK_SHIFT, Standings

NUMBER_BITS = 24
NUMBER_MASK = (1 << NUMBER_BITS) - 1
"""What waits is an int, so that a million of them are cheap to compare and nothing to the garbage collector. Its lowest
bits are the number of the member in which it waits."""

NOTHING = ((1 << 63) - 1) << RANK_SHIFT
"""Comes after everything that can wait."""

PROBES = 128
"""The next of all comes into question for most. Where none of so many does, few that do are looked at one by one."""


class Member(Protocol):
    """What stands in a line-up."""

    number: int
    first: int
    """What waits first here, NOTHING if nothing waits; of two members the lower goes first."""

    @property
    def key(self) -> Hashable:
        """What makes it another than the others."""


class Seeker(Protocol):
    """What seeks a member."""

    reach: Reach | None
    """The members that come into question, as they were at `version` of the index; None before the first look."""
    version: int


MemberT = TypeVar("MemberT", bound=Member)
SeekerT = TypeVar("SeekerT", bound=Seeker)
IndexedT = TypeVar("IndexedT", contravariant=True)
AskingT = TypeVar("AskingT", contravariant=True)


class Index(Protocol[IndexedT, AskingT]):
    """Tells which members come into question for a seeker."""

    version: int
    """Changes whenever a member is added."""

    def add(self, member: IndexedT) -> None:
        """There is this member too."""

    def remove(self, member: IndexedT) -> None:
        """It is gone."""

    def matching(self, seeker: AskingT) -> int:
        """The numbers of the members that match, as bits."""


class Lineup(Generic[MemberT, SeekerT]):
    """Members by their keys, and in the order of their firsts."""

    def __init__(self, index: Index[MemberT, SeekerT]) -> None:
        self._index = index
        self._reaches = Reaches()
        self._by_key: dict[Hashable, MemberT] = {}
        self._by_number: list[MemberT | None] = []
        self._free_numbers: list[int] = []
        self._firsts: list[int] = []
        """By number."""
        self._order = Standings()
        """The members in which something waits."""

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[MemberT]:
        return iter(self._by_key.values())

    def get(self, key: Hashable) -> MemberT | None:
        """The member with this key."""
        return self._by_key.get(key)

    def at(self, number: int) -> MemberT:
        """The member with this number, which must be there."""
        member = self._by_number[number]
        assert member is not None
        return member

    def add(self, make: Callable[[int], MemberT]) -> MemberT:
        """Make a member in which nothing waits, for the number given."""
        if self._free_numbers:
            number = self._free_numbers.pop()
        else:
            number = len(self._by_number)
            self._by_number.append(None)
            self._firsts.append(NOTHING)
        member = self._by_number[number] = make(number)
        self._by_key[member.key] = member
        self._index.add(member)
        return member

    def drop(self, member: MemberT) -> None:
        """Forget a member in which nothing waits."""
        del self._by_key[member.key]
        self._index.remove(member)
        self._by_number[member.number] = None
        self._free_numbers.append(member.number)

    def note(self, member: MemberT) -> None:
        """A member may have another first now."""
        number, now = member.number, member.first
        before = self._firsts[number]
        if before == now:
            return
        self._firsts[number] = now
        if before == NOTHING:
            self._order.add(now, number)
        elif now == NOTHING:
            self._order.remove(before)
        else:
            self._order.replace(before, now, number)

    def next_for(self, seeker: SeekerT) -> MemberT | None:
        """The member with the lowest first within reach; None if nothing waits there."""
        reach = seeker.reach
        if reach is None or seeker.version != self._index.version:
            reach = self._reach(seeker)
        order = iter(self._order)
        number = next(filter(reach.has, islice(order, PROBES)), None)
        if number is not None:
            return self._by_number[number]
        if reach.few is None:
            number = next(filter(reach.has, order), None)
            return None if number is None else self._by_number[number]
        first = min(map(self._firsts.__getitem__, reach.few), default=NOTHING)
        return None if first == NOTHING else self._by_number[first & NUMBER_MASK]

    def in_order_for(self, seeker: SeekerT) -> Iterator[MemberT]:
        """The members within reach in which something waits, by their firsts."""
        return map(self.at, filter(self._reach(seeker).has, self._order))

    def _reach(self, seeker: SeekerT) -> Reach:
        reach = seeker.reach
        if reach is None or seeker.version != self._index.version:
            mask, size = self._index.matching(seeker), len(self._by_number)
            if reach is None or reach.mask != mask or reach.size < size:
                reach = seeker.reach = self._reaches.of(mask, size)
            seeker.version = self._index.version
        return reach
