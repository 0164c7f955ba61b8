"""Read how a task stands, or what was asked for."""

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.model.task_id import TaskId
from swarming_frontend.standing import Standing
from swarming_frontend.store.requests import StoredRequest, stored_request
from swarming_frontend.store.standings import standing_of_run, standing_of_task
from swarming_frontend.waiting import News

UNKNOWN_TASK = "task_id: there is no such task"


class ReadTask:
    """Answers for one task."""

    def __init__(self, database: Database, news: News) -> None:
        self._database = database
        self._news = news

    async def standing(self, task_id: TaskId, run_number: int | None = None, wait_seconds: float = 0.0) -> Standing:
        """How a task, or one of its runs, stands; waits so long for its end. Raises NotFound."""

        async def look() -> Standing:
            found = await self._database.read(
                lambda c: (
                    standing_of_task(c, task_id) if run_number is None else standing_of_run(c, task_id, run_number)
                )
            )
            return _found(found)

        return await self._news.wait(task_id, wait_seconds, look, lambda seen: seen.state.is_final)

    async def request(self, task_id: TaskId) -> StoredRequest:
        """What was asked for. Raises NotFound."""
        found = await self._database.read(lambda c: stored_request(c, task_id))
        if found is None:
            raise NotFound(UNKNOWN_TASK)
        return found


def _found(standing: Standing | None) -> Standing:
    if standing is None:
        raise NotFound(UNKNOWN_TASK)
    return standing
