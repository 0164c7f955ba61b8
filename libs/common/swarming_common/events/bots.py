"""What happens to bots, as other systems hear it. Told by the bot gateways.

Texts that come from bots are cut: their histories have them whole.
"""

from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator

from swarming_common.events.envelope import Event, event

MAX_TEXT_LENGTH = 1_000


def _cut(text: object) -> object:
    return text[:MAX_TEXT_LENGTH] if isinstance(text, str) else text


Text = Annotated[str, BeforeValidator(_cut)]


@event("bot.connected", version=1)
class BotConnected(Event):
    """A process of the bot shook hands; it may be the first one, or one after a restart."""

    bot_id: str
    bot_version: str
    dimensions: dict[str, list[str]]


class BotRestricted(Event):
    """Somebody keeps the bot from work: `bot` itself, `swarming` after failures, or a person."""

    bot_id: str
    reason: Text
    by: str | None = None
    until: datetime | None = None
    """When it ends by itself, if it does."""


class BotRestrictionEnded(Event):
    """That does not keep the bot from work any more."""

    bot_id: str
    set_by: str | None = None
    """Whose word it was."""


@event("bot.quarantined", version=1)
class BotQuarantined(BotRestricted):
    """The bot is unfit from now on, or by the word of somebody else than before."""


@event("bot.released", version=1)
class BotReleased(BotRestrictionEnded):
    """Nobody quarantines the bot any more."""


@event("bot.maintenance_began", version=1)
class BotMaintenanceBegan(BotRestricted):
    """Somebody works on the bot from now on, or by the word of somebody else than before."""


@event("bot.maintenance_ended", version=1)
class BotMaintenanceEnded(BotRestrictionEnded):
    """Nobody works on the bot any more."""


@event("bot.update_requested", version=1)
class BotUpdateRequested(Event):
    """The bot was told to update itself."""

    bot_id: str
    bot_version: str
    """The one that it is to have."""


@event("bot.restart_requested", version=1)
class BotRestartRequested(Event):
    """The bot was told to restart its process, or its machine."""

    bot_id: str
    reason: Text


@event("bot.reboot_announced", version=1)
class BotRebootAnnounced(Event):
    """The bot said that it reboots its machine now."""

    bot_id: str
    reason: Text | None = None


@event("bot.shut_down", version=1)
class BotShutDown(Event):
    """The bot said farewell; it is away until it connects."""

    bot_id: str
    reason: Text | None = None


@event("bot.error_reported", version=1)
class BotErrorReported(Event):
    """The bot told of something that went wrong with it, outside of its tasks."""

    bot_id: str
    error: Text | None = None


@event("bot.died", version=1)
class BotDied(Event):
    """Nothing was heard of the bot for so long that it counts as dead."""

    bot_id: str
    last_seen: datetime


@event("bot.deleted", version=1)
class BotDeleted(Event):
    """Somebody had the bot forgotten. One that lives connects as a new one."""

    bot_id: str
    by: str | None = None
