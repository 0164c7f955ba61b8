"""What a bot went through: its events and its runs, also those of a deleted bot."""

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_frontend.standing import Standing
from swarming_frontend.store.bot_history import BotHappening, HistoryPlace, HistorySpan, bot_history, has_history
from swarming_frontend.store.bot_runs import RunPlace, runs_of_bot
from swarming_frontend.store.task_lists import TaskFilter
from swarming_frontend.usecases.restrict_bot import UNKNOWN_BOT


class BotPast:
    """Lists, newest first."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def events(
        self, bot_id: str, span: HistorySpan, after: HistoryPlace | None, limit: int
    ) -> tuple[list[BotHappening], HistoryPlace | None]:
        """At most `limit` events after this place, and the place to go on from, None at the end. Raises NotFound."""
        await self._expect(bot_id)
        return await self._database.read(lambda c: bot_history(c, bot_id, span, after, limit))

    async def runs(
        self, bot_id: str, wanted: TaskFilter, after: RunPlace | None, limit: int
    ) -> tuple[list[Standing], RunPlace | None]:
        """The same of its runs. Raises NotFound."""
        await self._expect(bot_id)
        return await self._database.read(lambda c: runs_of_bot(c, bot_id, wanted, after, limit))

    async def _expect(self, bot_id: str) -> None:
        if not await self._database.read(lambda c: has_history(c, bot_id)):
            raise NotFound(UNKNOWN_BOT)
