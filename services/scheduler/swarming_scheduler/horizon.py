"""What may be served while a takeover is still loading: the tasks that come before everything not loaded yet."""

from collections.abc import Iterator
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from swarming_common.model.task_id import TaskId, milliseconds_of
from swarming_scheduler.engine.queues import Ticket

if TYPE_CHECKING:
    from swarming_scheduler.state import LiveTask

_Place = tuple[int, int]
_BEFORE_ALL: _Place = (-1, 0)
_LAST = 1 << 62
_AFTER_ALL: _Place = (_LAST, _LAST)


class Horizon:
    """Pending tasks are loaded by priority and id. A task that comes before the last one loaded has its right place in
    the queue; any other waits here, also one that was submitted just now, until loading has passed its place.

    A pool that serves the newest first is passed with the whole of a priority.
    """

    def __init__(self) -> None:
        self._reached = _BEFORE_ALL
        self._held: list[tuple[_Place, Ticket]] = []
        self._ids: set[TaskId] = set()

    @property
    def held(self) -> int:
        """How many tasks wait here."""
        return len(self._ids)

    def is_beyond(self, task: "LiveTask") -> bool:
        """Whether something that is not loaded yet may come before this task."""
        return _place(task) >= self._reached

    def hold(self, task: "LiveTask") -> None:
        """Keep a task until its place is passed."""
        if task.task_id not in self._ids:
            self._ids.add(task.task_id)
            heappush(self._held, (_place(task), task.ticket))

    def reach(self, priority: int, task_id: int) -> Iterator[TaskId]:
        """Everything up to this task is loaded; yields what was held and is not beyond that, in queue order. Of those
        of one millisecond the ids do not say which is first."""
        self._reached = (priority, milliseconds_of(task_id))
        while self._held and self._held[0][0] < self._reached:
            yield self._pop()

    def reach_end(self) -> Iterator[TaskId]:
        """Everything is loaded; yields all that was held."""
        self._reached = _AFTER_ALL
        while self._held:
            yield self._pop()

    def _pop(self) -> TaskId:
        _, ticket = heappop(self._held)
        self._ids.discard(ticket.task_id)
        return ticket.task_id


def _place(task: "LiveTask") -> _Place:
    return task.priority, _LAST if task.is_newest_first else milliseconds_of(task.task_id)
