"""Forget bots: one, or all that are dead. Their history stays; one that polls again is back."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.model.commands import BotCommandKind
from swarming_frontend.commands import Commands
from swarming_frontend.store.bots import bot_by_id, list_bots
from swarming_frontend.usecases.list_bots import ListBots, WhichBots
from swarming_frontend.usecases.restrict_bot import UNKNOWN_BOT

BOTS_AT_ONCE = 1000


@dataclass(frozen=True, kw_only=True)
class DeleteBot:
    """Forget it, whether it lives or not."""

    bot_id: str
    by: str


@dataclass(frozen=True, kw_only=True)
class DeleteDeadBots:
    """Forget those of these bots that are dead."""

    dimensions: tuple[tuple[str, str], ...]
    by: str


class DeleteBots:
    """Asks the gateways to forget bots."""

    def __init__(self, database: Database, commands: Commands, bots: ListBots) -> None:
        self._database = database
        self._commands = commands
        self._bots = bots

    async def one(self, command: DeleteBot, now: datetime) -> None:
        """It is gone when this returns, or will be within seconds. Raises NotFound, DatabaseAway."""
        bot_id = command.bot_id
        if await self._database.read(lambda c: bot_by_id(c, bot_id, now)) is None:
            raise NotFound(UNKNOWN_BOT)
        await self._commands.give_bot(BotCommandKind.DELETE, bot_id, by=command.by, now=now)

    async def all_dead(self, command: DeleteDeadBots, now: datetime) -> int:
        """How many are asked to be forgotten, which happens within seconds; one that comes back first is not.
        Raises DatabaseAway."""
        which = WhichBots(dimensions=command.dimensions, is_dead=True)
        unseen_since = self._bots.dead_before(now)
        after: str | None = None
        count = 0
        while True:
            wanted, place = self._bots.filter(which, now), after
            found, after = await self._database.read(lambda c: list_bots(c, wanted, place, BOTS_AT_ONCE))  # noqa: B023 - read before the next round
            await self._commands.give_bots(
                BotCommandKind.DELETE,
                [bot.bot_id for bot in found],
                {"unseen_since": unseen_since.isoformat()},
                by=command.by,
                now=now,
            )
            count += len(found)
            if after is None:
                return count
