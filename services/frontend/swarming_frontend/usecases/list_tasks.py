"""List and count tasks, and tell their states."""

from collections.abc import Sequence

from swarming_common.database.port import Database
from swarming_common.errors import InvalidInput, NotFound
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId, format_task_id
from swarming_frontend.standing import Standing
from swarming_frontend.store.task_lists import (
    TaskFilter,
    TaskPlace,
    TaskSort,
    count_tasks,
    list_tasks,
    states_of,
)


class ListTasks:
    """Answers for many tasks at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self, wanted: TaskFilter, after: TaskPlace | None, limit: int
    ) -> tuple[list[Standing], TaskPlace | None]:
        """At most `limit` tasks after this place, and the place to go on from, None at the end.

        Raises InvalidInput for tags in another order than that of creation, and for a place of another order.
        """
        if wanted.tags and wanted.sort is not TaskSort.CREATED_TS:
            raise InvalidInput("sort", "expected CREATED_TS, the only order for a list by tags")
        if after is not None and (after.moment is None) != (wanted.sort is TaskSort.CREATED_TS):
            raise InvalidInput("cursor", "expected the cursor of an earlier page in the same order")
        return await self._database.read(lambda c: list_tasks(c, wanted, after, limit))

    async def children(
        self, parent: TaskId, run_number: int | None, after: TaskPlace | None, limit: int
    ) -> tuple[list[Standing], TaskPlace | None]:
        """The tasks that name this one, or this run of it, as their parent, as a page. Raises NotFound."""
        await self.states([parent])
        tags = () if run_number is None else (f"parent_task_id:{RunId(parent, run_number)}",)
        return await self.page(TaskFilter(parent=parent, tags=tags), after, limit)

    async def count(self, wanted: TaskFilter) -> int:
        """How many there are."""
        return await self._database.read(lambda c: count_tasks(c, wanted))

    async def states(self, task_ids: Sequence[TaskId]) -> list[TaskState]:
        """Their states, in order. Raises NotFound, naming the first that does not exist."""
        found = await self._database.read(lambda c: states_of(c, task_ids))
        for task_id in task_ids:
            if task_id not in found:
                raise NotFound(f"task_id: there is no task {format_task_id(task_id)}")
        return [found[task_id] for task_id in task_ids]
