"""Pending tasks that some bots must not run: those that were lost on them. They are rare."""

from collections.abc import Set

from swarming_common.model.task_id import TaskId


class Barred:
    """Which bot must not run which pending tasks."""

    def __init__(self) -> None:
        self._tasks: dict[str, set[TaskId]] = {}
        self._bots: dict[TaskId, frozenset[str]] = {}

    def __bool__(self) -> bool:
        return bool(self._bots)

    def __contains__(self, bot_id: str) -> bool:
        """Whether there are tasks that this bot must not run."""
        return bot_id in self._tasks

    def add(self, task_id: TaskId, bots: frozenset[str]) -> None:
        """None of these bots gets the task."""
        self._bots[task_id] = bots
        for bot_id in bots:
            self._tasks.setdefault(bot_id, set()).add(task_id)

    def remove(self, task_id: TaskId) -> None:
        """The task does not wait any more; most never were here."""
        for bot_id in self._bots.pop(task_id, ()):
            tasks = self._tasks[bot_id]
            tasks.discard(task_id)
            if not tasks:
                del self._tasks[bot_id]

    def tasks_for(self, bot_id: str) -> Set[TaskId]:
        """The tasks that this bot must not run."""
        return self._tasks[bot_id]
