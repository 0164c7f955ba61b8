"""Pending tasks that some bots must not run: those that were lost on them. They are rare."""

from swarming_common.model.task_id import TaskId


class Barred:
    """Which bot must not run which pending tasks."""

    def __init__(self) -> None:
        self.by_bot: dict[str, set[TaskId]] = {}
        """The tasks that a bot must not run."""
        self.by_task: dict[TaskId, frozenset[str]] = {}
        """The bots that must not run a task."""

    def add(self, task_id: TaskId, bots: frozenset[str]) -> None:
        """None of these bots gets the task."""
        self.by_task[task_id] = bots
        for bot_id in bots:
            self.by_bot.setdefault(bot_id, set()).add(task_id)

    def remove(self, task_id: TaskId) -> None:
        """The task does not wait any more; most never were here."""
        for bot_id in self.by_task.pop(task_id, ()):
            tasks = self.by_bot[bot_id]
            tasks.discard(task_id)
            if not tasks:
                del self.by_bot[bot_id]
