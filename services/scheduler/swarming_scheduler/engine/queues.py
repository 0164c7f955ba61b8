"""A queue of tasks that ask for the same dimensions.

A task waits as one int, its entry: priority, time of creation, task id and the number of its queue, from the high bits
to the low. So entries sort as the tasks do, and a million of them are nothing that the garbage collector looks at.
An order that ages, or that is fair among users, would be another way to make an entry from a ticket.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Set
from heapq import heapify, heappop, heappush, heapreplace, nsmallest
from itertools import chain
from typing import NamedTuple

from swarming_common.model.dimensions import Requirements
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine.lineup import NOTHING, NUMBER_BITS, NUMBER_MASK
from swarming_scheduler.engine.place import SHOWN_AHEAD, Place
from swarming_scheduler.engine.reach import Reach
from swarming_scheduler.engine.standings import RANK_SHIFT

ROOM_FOR_REMOVED = 100
"""So many removed entries may stay in a queue, besides as many as it has tasks."""

TASKS_PER_LANE = 32
"""A lane takes memory of its own, so there is at most one for so many tasks; the others wait in the heap."""

_ID_MASK = (1 << (RANK_SHIFT - NUMBER_BITS)) - 1
_TIME_BITS = 53
_TIME_ZERO = 1 << (_TIME_BITS - 1)
_PRIORITY_SHIFT = RANK_SHIFT + _TIME_BITS


Entries = Mapping[TaskId, int]
"""The entries of all pending tasks of an engine."""


class Ticket(NamedTuple):
    """A task's place: strict priority (lower first), then by `created`."""

    priority: int
    created: int
    """Microseconds since 1970: first in, first out; the same below zero: last in, first out."""
    task_id: TaskId


def entry_of(ticket: Ticket, number: int) -> int:
    """The int as which a task waits in the queue of this number."""
    rank = (ticket.priority << _TIME_BITS) + _TIME_ZERO + ticket.created
    return rank << RANK_SHIFT | ticket.task_id << NUMBER_BITS | number


def queue_number(entry: int) -> int:
    """The number of the queue in which this entry is."""
    return entry & NUMBER_MASK


def task_of(entry: int) -> TaskId:
    """The task that this entry stands for."""
    return TaskId(entry >> NUMBER_BITS & _ID_MASK)


class TaskQueue:
    """Tasks in order.

    The heap holds the next entries; what comes after them in order of arrival waits in lanes, one for each priority,
    and the first of each lane is in the heap too. Removal is lazy: `entries` says which entry of a task still counts,
    and any other is dropped when it comes up. The first entry of the heap always counts.
    """

    __slots__ = (
        "_entries",
        "_heap",
        "_lanes",
        "_removed",
        "asked",
        "first",
        "length",
        "number",
        "reach",
        "used",
        "version",
    )

    def __init__(self, asked: Requirements, number: int, entries: Entries) -> None:
        self.asked = asked
        self.number = number
        self.first = NOTHING
        """The entry that comes first, NOTHING if the queue is empty."""
        self.length = 0
        self.used = True
        """Whether a task came since the last look at what is unused."""
        self.reach: Reach | None = None
        """The classes of bots that can serve it."""
        self.version = -1
        self._entries = entries
        self._heap: list[int] = []
        self._lanes: dict[int, deque[int]] | None = None
        self._removed = 0

    @property
    def key(self) -> Requirements:
        """Another queue asks for something else."""
        return self.asked

    def push(self, entry: int) -> None:
        """Put a task in; its entry is in `entries` already."""
        self.length += 1
        if entry < self.first:
            self.first = entry
        lanes = self._lanes
        if lanes is None:
            if self.length <= TASKS_PER_LANE:
                heappush(self._heap, entry)
                return
            lanes = self._lanes = {}
        priority = entry >> _PRIORITY_SHIFT
        lane = lanes.get(priority)
        if lane is not None and entry > lane[-1]:
            lane.append(entry)
            return
        if lane is None and self.length > TASKS_PER_LANE * (len(lanes) + 1):
            lanes[priority] = deque((entry,))
        heappush(self._heap, entry)

    def remove(self, entry: int) -> None:
        """Take a task out, wherever it stands; its entry is not in `entries` any more."""
        self.length -= 1
        if entry != self.first:
            self._removed += 1
            if self._removed > self.length + ROOM_FOR_REMOVED:
                self._purge()
            return
        self._pop()
        while self._removed and self._heap and not self._counts(self._heap[0]):
            self._pop()
            self._removed -= 1
        self.first = self._heap[0] if self._heap else NOTHING

    def first_but(self, barred: Set[TaskId]) -> int:
        """The first entry of a task that is none of these, or NOTHING."""
        aside = []
        while self._heap and (task_of(self._heap[0]) in barred or not self._counts(self._heap[0])):
            aside.append(self._heap[0])
            self._pop()
        found = self._heap[0] if self._heap else NOTHING
        for entry in aside:
            heappush(self._heap, entry)
        return found

    def place_of(self, own: int) -> Place:
        """Where a task of this queue stands; takes as long as the queue is."""
        ahead = {entry for entry in self._all() if entry < own and self._counts(entry)}
        first_of_priority = own >> _PRIORITY_SHIFT << _PRIORITY_SHIFT
        by_priority = sum(entry < first_of_priority for entry in ahead)
        return Place(
            rank=len(ahead) + 1,
            ahead_by_priority=by_priority,
            ahead_by_age=len(ahead) - by_priority,
            queue_length=self.length,
            next_up=tuple(task_of(entry) for entry in nsmallest(SHOWN_AHEAD, ahead)),
        )

    def _pop(self) -> None:
        heap, lanes = self._heap, self._lanes
        if lanes:
            priority = heap[0] >> _PRIORITY_SHIFT
            lane = lanes.get(priority)
            if lane is not None and lane[0] == heap[0]:
                lane.popleft()
                if lane:
                    heapreplace(heap, lane[0])
                    return
                del lanes[priority]
        elif lanes is not None:
            self._lanes = None
        heappop(heap)

    def _counts(self, entry: int) -> bool:
        return self._entries.get(task_of(entry)) == entry

    def _all(self) -> Iterator[int]:
        """Every entry, some twice."""
        return chain(self._heap, *(self._lanes or {}).values())

    def _purge(self) -> None:
        """Drop all that do not count. A task that left and came back with the same entry may be here twice."""
        lanes = self._lanes or {}
        firsts = {lane[0] for lane in lanes.values()}
        heap = {entry for entry in self._heap if entry not in firsts and self._counts(entry)}
        kept = {
            priority: deque(entry for entry in lane if entry not in heap and self._counts(entry))
            for priority, lane in lanes.items()
        }
        self._lanes = {priority: lane for priority, lane in kept.items() if lane} or None
        self._heap = [*heap, *(lane[0] for lane in (self._lanes or {}).values())]
        heapify(self._heap)
        self._removed = 0
