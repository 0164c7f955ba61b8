"""A queue of tasks that ask for the same dimensions.

A task waits as one int, its entry: priority, time of creation, task id and the number of its queue, from the high bits
to the low. So entries sort as the tasks do, and a million of them are nothing that the garbage collector looks at.
An order that ages, or that is fair among users, would be another way to make an entry from a ticket.
"""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Set
from itertools import chain, islice
from typing import NamedTuple

from swarming_common.model.dimensions import Requirements
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine.lineup import NUMBER_BITS, NUMBER_MASK
from swarming_scheduler.engine.place import SHOWN_AHEAD, Place
from swarming_scheduler.engine.standings import NOTHING

LARGEST_STRETCH = 128
"""A longer one is cut in two."""

_ID_BITS = 63
_ID_MASK = (1 << _ID_BITS) - 1
_RANK_SHIFT = NUMBER_BITS + _ID_BITS
_TIME_BITS = 53
_TIME_ZERO = 1 << (_TIME_BITS - 1)
_PRIORITY_SHIFT = _RANK_SHIFT + _TIME_BITS


class Ticket(NamedTuple):
    """A task's place: strict priority (lower first), then by `created`."""

    priority: int
    created: int
    """Microseconds since 1970: first in, first out; the same below zero: last in, first out."""
    task_id: TaskId


def entry_of(ticket: Ticket, number: int) -> int:
    """The int as which a task waits in the queue of this number."""
    rank = (ticket.priority << _TIME_BITS) + _TIME_ZERO + ticket.created
    return rank << _RANK_SHIFT | ticket.task_id << NUMBER_BITS | number


def queue_number(entry: int) -> int:
    """The number of the queue in which this entry is."""
    return entry & NUMBER_MASK


def task_of(entry: int) -> TaskId:
    """The task that this entry stands for."""
    return TaskId(entry >> NUMBER_BITS & _ID_MASK)


class TaskQueue:
    """Tasks in order: their entries lie in sorted stretches, one after the other, so that of a million one comes or
    goes about as cheaply as of ten, wherever it stands."""

    __slots__ = ("_starts", "_stretches", "asked", "first", "length", "number", "reach", "used", "version")

    def __init__(self, asked: Requirements, number: int) -> None:
        self.asked = asked
        self.number = number
        self.first = NOTHING
        """The entry that comes first, NOTHING if the queue is empty."""
        self.length = 0
        self.used = True
        """Whether a task came since the last look at what is unused."""
        self.reach = 0
        """The classes of bots that can serve it."""
        self.version = -1
        self._starts = [0]
        """The lowest entry that belongs into each stretch."""
        self._stretches: list[list[int]] = [[]]
        """None is empty, unless it is the only one."""

    def __iter__(self) -> Iterator[int]:
        return chain.from_iterable(self._stretches)

    @property
    def key(self) -> Requirements:
        """Another queue asks for something else."""
        return self.asked

    def push(self, entry: int) -> None:
        """Put a task in."""
        self.length += 1
        if entry < self.first:
            self.first = entry
        at = self._stretch_of(entry)
        stretch = self._stretches[at]
        insort(stretch, entry)
        if len(stretch) > LARGEST_STRETCH:
            later = stretch[LARGEST_STRETCH // 2 :]
            del stretch[LARGEST_STRETCH // 2 :]
            self._starts.insert(at + 1, later[0])
            self._stretches.insert(at + 1, later)

    def remove(self, entry: int) -> None:
        """Take a task out, wherever it stands."""
        self.length -= 1
        if entry == self.first:
            at, stretch = 0, self._stretches[0]
            del stretch[0]
        else:
            at = self._stretch_of(entry)
            stretch = self._stretches[at]
            del stretch[bisect_left(stretch, entry)]
        if not stretch and len(self._stretches) > 1:
            del self._stretches[at], self._starts[at]
            self._starts[0] = 0
        first = self._stretches[0]
        self.first = first[0] if first else NOTHING

    def first_but(self, barred: Set[TaskId]) -> int:
        """The first entry of a task that is none of these, or NOTHING."""
        return next((entry for entry in self if task_of(entry) not in barred), NOTHING)

    def place_of(self, own: int) -> Place:
        """Where a task of this queue stands."""
        ahead = self._count_before(own)
        by_priority = self._count_before(own >> _PRIORITY_SHIFT << _PRIORITY_SHIFT)
        return Place(
            rank=ahead + 1,
            ahead_by_priority=by_priority,
            ahead_by_age=ahead - by_priority,
            queue_length=self.length,
            next_up=tuple(map(task_of, islice(self, min(ahead, SHOWN_AHEAD)))),
        )

    def _count_before(self, entry: int) -> int:
        at = self._stretch_of(entry)
        return sum(map(len, self._stretches[:at])) + bisect_left(self._stretches[at], entry)

    def _stretch_of(self, entry: int) -> int:
        return bisect_right(self._starts, entry) - 1
