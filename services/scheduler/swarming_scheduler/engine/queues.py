"""A queue of tasks that ask for the same dimensions."""

from collections.abc import Iterator
from heapq import heapify, heappop, heappush
from typing import NamedTuple

from swarming_common.model.dimensions import Requirements
from swarming_common.model.task_id import TaskId


class Ticket(NamedTuple):
    """A task's place: strict priority (lower first), then first in first out by creation (microseconds)."""

    priority: int
    created: int
    task_id: TaskId


class TaskQueue:
    """Tasks in order. Removal is lazy: a removed ticket stays in the heap until it comes up."""

    def __init__(self, requirements: Requirements) -> None:
        self.requirements = requirements
        self._heap: list[Ticket] = []
        self._excluded: dict[TaskId, frozenset[str]] = {}
        """The bots that must not run a task; its keys are the tasks that are really here."""

    def __len__(self) -> int:
        return len(self._excluded)

    def push(self, ticket: Ticket, excluded_bots: frozenset[str]) -> None:
        """Put a task in; one that is here already is replaced."""
        if ticket.task_id in self._excluded:
            self.remove(ticket.task_id)
            self._purge()
        self._excluded[ticket.task_id] = excluded_bots
        heappush(self._heap, ticket)

    def remove(self, task_id: TaskId) -> None:
        """Take a task out, wherever it stands."""
        self._excluded.pop(task_id, None)
        if len(self._heap) > 2 * len(self._excluded) + 100:
            self._purge()

    def first_for(self, bot_id: str) -> Ticket | None:
        """The first task in order that this bot may run."""
        heap = self._heap
        while heap and heap[0].task_id not in self._excluded:
            heappop(heap)
        if not heap:
            return None
        if bot_id not in self._excluded[heap[0].task_id]:
            return heap[0]
        return next(
            (ticket for ticket in self._in_order() if bot_id not in self._excluded[ticket.task_id]),
            None,
        )

    def _in_order(self) -> Iterator[Ticket]:
        return iter(sorted(ticket for ticket in self._heap if ticket.task_id in self._excluded))

    def _purge(self) -> None:
        self._heap = [ticket for ticket in self._heap if ticket.task_id in self._excluded]
        heapify(self._heap)
