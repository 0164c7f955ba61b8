"""Show the machines, and which of them have not been heard of for too long."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_frontend.store.bots import (
    BotCounts,
    BotFilter,
    BotStanding,
    bot_by_id,
    count_bots,
    list_bots,
)


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
        wanted = self._filter(which, now)
        return await self._database.read(lambda c: list_bots(c, wanted, after, limit))

    async def count(self, which: WhichBots, now: datetime) -> BotCounts:
        """How many there are."""
        wanted = self._filter(which, now)
        return await self._database.read(lambda c: count_bots(c, wanted))

    async def one(self, bot_id: str) -> BotStanding:
        """One bot. Raises NotFound if it was never known."""
        found = await self._database.read(lambda c: bot_by_id(c, bot_id))
        if found is None:
            raise NotFound("bot_id: there is no such bot")
        return found

    def is_dead(self, bot: BotStanding, now: datetime) -> bool:
        """Whether it has been silent for too long."""
        return bot.last_seen_ts < self._dead_before(now)

    def _dead_before(self, now: datetime) -> datetime:
        return now - timedelta(seconds=self.death_timeout_secs)

    def _filter(self, which: WhichBots, now: datetime) -> BotFilter:
        return BotFilter(
            dead_before=self._dead_before(now),
            dimensions=which.dimensions,
            quarantined=which.quarantined,
            in_maintenance=which.in_maintenance,
            is_dead=which.is_dead,
            is_busy=which.is_busy,
        )
