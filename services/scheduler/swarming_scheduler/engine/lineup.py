"""Queues, or classes of bots, in the order of what waits in each.

There are two line-ups: the queues, each with its first task, and the classes, each with its longest waiting bot.
Members of one seek a member of the other: the one with the lowest first among those within their reach.
"""

from collections.abc import Callable, Hashable, Iterator
from typing import Generic, Protocol, TypeVar

from swarming_scheduler.engine.standings import Standings

NUMBER_BITS = 24
NUMBER_MASK = (1 << NUMBER_BITS) - 1
"""What waits is an int, so that a million of them are cheap to compare and nothing to the garbage collector. Its lowest
bits are the number of the member in which it waits."""


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

    reach: int
    """The numbers of the members that come into question, as bits."""
    version: int
    """The version of the index to which that belongs; -1 before the first look."""


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
        """The numbers of the members that match, as bits; some of members that are gone may be among them."""


class Lineup(Generic[MemberT, SeekerT]):
    """Members by their keys, and in the order of their firsts."""

    def __init__(self, index: Index[MemberT, SeekerT]) -> None:
        self._index = index
        self._by_key: dict[Hashable, MemberT] = {}
        self._by_number: dict[int, MemberT] = {}
        self._free_numbers: list[int] = []
        self._standings = Standings()

    def __len__(self) -> int:
        return len(self._by_key)

    def __iter__(self) -> Iterator[MemberT]:
        return iter(self._by_key.values())

    def get(self, key: Hashable) -> MemberT | None:
        """The member with this key."""
        return self._by_key.get(key)

    def at(self, number: int) -> MemberT:
        """The member with this number, which must be there."""
        return self._by_number[number]

    def add(self, make: Callable[[int], MemberT]) -> MemberT:
        """Make a member in which nothing waits, for the number given."""
        number = self._free_numbers.pop() if self._free_numbers else self._standings.add()
        member = self._by_number[number] = make(number)
        self._by_key[member.key] = member
        self._index.add(member)
        return member

    def drop(self, member: MemberT) -> None:
        """Forget a member in which nothing waits."""
        del self._by_key[member.key], self._by_number[member.number]
        self._index.remove(member)
        self._free_numbers.append(member.number)

    def note(self, member: MemberT) -> None:
        """A member may have another first now."""
        self._standings.put(member.number, member.first)

    def next_for(self, seeker: SeekerT) -> MemberT | None:
        """The member with the lowest first within reach; None if nothing waits there."""
        if seeker.version != self._index.version:
            self._look_round(seeker)
        number = self._standings.first_of(seeker.reach)
        return None if number is None else self._by_number[number]

    def in_order_for(self, seeker: SeekerT) -> Iterator[MemberT]:
        """The members within reach in which something waits, by their firsts."""
        if seeker.version != self._index.version:
            self._look_round(seeker)
        return map(self._by_number.__getitem__, self._standings.in_order(seeker.reach))

    def _look_round(self, seeker: SeekerT) -> None:
        """Work out what is within reach."""
        seeker.reach = self._index.matching(seeker)
        seeker.version = self._index.version
