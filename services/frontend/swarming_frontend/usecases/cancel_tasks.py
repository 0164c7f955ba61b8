"""Cancel all tasks that have some tags, a page at a time. It waits for nobody's word: the rows make sure."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.database.port import Database
from swarming_common.model.commands import CommandKind
from swarming_frontend.commands import Commands
from swarming_frontend.store.task_lists import StateFilter, TaskFilter, TaskPlace, list_ids


@dataclass(frozen=True, kw_only=True)
class CancelTasks:
    """Which tasks: those with all these tags, created from `start` on and before `end`, that wait; with `kill_running`
    also those that run."""

    tags: tuple[str, ...]
    start: datetime | None
    end: datetime | None
    kill_running: bool
    by: str


class CancelByTags:
    """Cancels many tasks."""

    def __init__(self, database: Database, commands: Commands) -> None:
        self._database = database
        self._commands = commands

    async def page(
        self, command: CancelTasks, after: TaskPlace | None, limit: int, now: datetime
    ) -> tuple[int, TaskPlace | None]:
        """At most `limit` of them, the newest first: how many, and the place to go on from, None at the end.

        Once this returns their commands are durable. Raises DatabaseAway.
        """
        wanted = TaskFilter(
            state=StateFilter.PENDING_RUNNING if command.kill_running else StateFilter.PENDING,
            tags=command.tags,
            start=command.start,
            end=command.end,
        )
        found, place = await self._database.read(lambda c: list_ids(c, wanted, after, limit))
        arguments = {"kill_running": command.kill_running}
        await self._commands.give_all(CommandKind.CANCEL, found, arguments, by=command.by, now=now)
        return len(found), place
