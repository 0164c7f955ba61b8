"""Keep a bot from work, and let it work again: quarantine for one that is unfit, maintenance for one that somebody
works on. A run that the bot has goes on."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from swarming_common.bus.port import Bus
from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BotSettingChanged
from swarming_frontend.store.bot_settings import write_setting

UNKNOWN_BOT = "bot_id: there is no such bot"


class RestrictionKind(Enum):
    """The two ways; the value is the name of their columns."""

    QUARANTINE = "quarantined"
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, kw_only=True)
class RestrictBot:
    """Give it no tasks; `until` is when that ends by itself, None if somebody must end it."""

    bot_id: str
    kind: RestrictionKind
    reason: str
    until: datetime | None
    by: str


@dataclass(frozen=True, kw_only=True)
class ReleaseBot:
    """End what a person set, and an automatic quarantine too; what the bot says of itself only the bot can end."""

    bot_id: str
    kind: RestrictionKind
    by: str


@dataclass(frozen=True, kw_only=True)
class RestartBot:
    """Have the bot's process restart when it is idle."""

    bot_id: str
    reason: str
    by: str


class SetBots:
    """Writes what people set, and lets the gateways look. Repeatable."""

    def __init__(self, database: Database, bus: Bus) -> None:
        self._database = database
        self._bus = bus

    async def restrict(self, command: RestrictBot, now: datetime) -> None:
        """It holds from the bot's next poll on, which begins at once. Raises NotFound, DatabaseAway."""
        name = command.kind.value
        changes = {
            name: command.reason,
            f"{name}_by": command.by,
            f"{name}_ts": now,
            f"{name}_until_ts": command.until,
        }
        await self._set(command.bot_id, changes)

    async def release(self, command: ReleaseBot, now: datetime) -> None:
        """The same the other way round. Raises NotFound, DatabaseAway."""
        name = command.kind.value
        changes: dict[str, Any] = {f"{name}{part}": None for part in ("", "_by", "_ts", "_until_ts")}
        if command.kind is RestrictionKind.QUARANTINE:
            changes |= {"cleared_by": command.by, "cleared_ts": now}
        await self._set(command.bot_id, changes)

    async def restart(self, command: RestartBot, now: datetime) -> None:
        """Each process of the bot that began before now restarts. Raises NotFound, DatabaseAway."""
        await self._set(command.bot_id, {"restart": command.reason, "restart_by": command.by, "restart_ts": now})

    async def _set(self, bot_id: str, changes: dict[str, Any]) -> None:
        if not await self._database.write(lambda connection: write_setting(connection, bot_id, changes)):
            raise NotFound(UNKNOWN_BOT)
        self._bus.send(addresses.ALL_GATEWAYS, BotSettingChanged(bot_id=bot_id))
