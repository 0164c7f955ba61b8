"""Show the machines, and which of them have not been heard of for too long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_frontend.store.bot_dimensions import dimensions_in_use
from swarming_frontend.store.bot_history import deleted_bot
from swarming_frontend.store.bots import (
    BotCounts,
    BotFilter,
    BotStanding,
    bot_by_id,
    count_bots,
    list_bots,
)
from swarming_frontend.usecases.restrict_bot import UNKNOWN_BOT


@dataclass(frozen=True, kw_only=True)
class WhichBots:
    """Which bots; None lets both kinds through."""

    dimensions: tuple[tuple[str, str], ...] = ()
    quarantined: bool | None = None
    in_maintenance: bool | None = None
    is_dead: bool | None = None
    is_busy: bool | None = None


class ListBots:
    """Lists, counts and shows bots."""

    def __init__(self, database: Database, death_timeout_secs: int) -> None:
        self._database = database
        self.death_timeout_secs = death_timeout_secs

    async def page(
        self, which: WhichBots, after: str | None, limit: int, now: datetime
    ) -> tuple[list[BotStanding], str | None]:
        """At most `limit` bots after this id, and the id to go on from, None at the end."""
        wanted = self.filter(which, now)
        return await self._database.read(lambda c: list_bots(c, wanted, after, limit))

    async def count(self, which: WhichBots, now: datetime) -> BotCounts:
        """How many there are."""
        wanted = self.filter(which, now)
        return await self._database.read(lambda c: count_bots(c, wanted))

    async def one(self, bot_id: str, now: datetime) -> BotStanding:
        """One bot; of a deleted one, what its history says. Raises NotFound if it was never known."""
        found = await self._database.read(lambda c: bot_by_id(c, bot_id, now) or deleted_bot(c, bot_id))
        if found is None:
            raise NotFound(UNKNOWN_BOT)
        return found

    async def dimensions(self, pool: str | None) -> dict[str, list[str]]:
        """All values that bots (of a pool) have for each key, but for their ids; sorted."""
        return await self._database.read(lambda c: dimensions_in_use(c, pool))

    def is_dead(self, bot: BotStanding, now: datetime) -> bool:
        """Whether it has been silent for too long, or said goodbye, or was deleted."""
        return bot.is_deleted or bot.shutdown_ts is not None or bot.last_seen_ts < self.dead_before(now)

    def dead_before(self, now: datetime) -> datetime:
        """A bot that was last heard of before this moment is dead."""
        return now - timedelta(seconds=self.death_timeout_secs)

    def filter(self, which: WhichBots, now: datetime) -> BotFilter:
        """Which rows these are at this moment."""
        return BotFilter(
            now=now,
            dead_before=self.dead_before(now),
            dimensions=which.dimensions,
            quarantined=which.quarantined,
            in_maintenance=which.in_maintenance,
            is_dead=which.is_dead,
            is_busy=which.is_busy,
        )
