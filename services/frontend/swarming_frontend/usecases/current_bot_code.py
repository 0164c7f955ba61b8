"""Which code bots should run."""

from dataclasses import dataclass
from datetime import datetime

from swarming_common.bot_code.current import CurrentCode, read_current
from swarming_common.database.port import Database


@dataclass(frozen=True, slots=True)
class CurrentBotCode:
    """Reads what the gateways choose by, and chooses as they do."""

    database: Database

    async def __call__(self, now: datetime) -> CurrentCode | None:
        """None before the first gateway has started. Raises DatabaseAway."""
        return await self.database.read(lambda connection: read_current(connection, now))
