"""What of a bot's history is told to other systems, and how: the one place where the two are matched. Pure."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import structlog

from swarming_common.events.bots import (
    BotConnected,
    BotDeleted,
    BotDied,
    BotErrorReported,
    BotMaintenanceBegan,
    BotMaintenanceEnded,
    BotQuarantined,
    BotRebootAnnounced,
    BotReleased,
    BotRestartRequested,
    BotShutDown,
    BotUpdateRequested,
)
from swarming_common.events.envelope import TYPE_PREFIX, CloudEvent, Event

log = structlog.get_logger(__name__)

SOURCE = "/swarming/bots"

_TOLD: dict[str, Callable[[Any], Event]] = {
    "bot_connected": lambda row: BotConnected(bot_id=row.bot_id, bot_version=row.version, dimensions=row.dimensions),
    "bot_quarantined": lambda row: BotQuarantined(bot_id=row.bot_id, **_restriction(row)),
    "bot_unquarantined": lambda row: BotReleased(bot_id=row.bot_id, **_details(row)),
    "bot_maintenance": lambda row: BotMaintenanceBegan(bot_id=row.bot_id, **_restriction(row)),
    "bot_maintenance_ended": lambda row: BotMaintenanceEnded(bot_id=row.bot_id, **_details(row)),
    "request_update": lambda row: BotUpdateRequested(bot_id=row.bot_id, bot_version=row.message or ""),
    "request_restart": lambda row: BotRestartRequested(bot_id=row.bot_id, reason=row.message or ""),
    "bot_error": lambda row: BotErrorReported(bot_id=row.bot_id, error=row.message),
    "bot_rebooting": lambda row: BotRebootAnnounced(bot_id=row.bot_id, reason=row.message),
    "bot_shutdown": lambda row: BotShutDown(bot_id=row.bot_id, reason=row.message),
    "bot_missing": lambda row: BotDied(bot_id=row.bot_id, **_details(row)),
    "bot_deleted": lambda row: BotDeleted(bot_id=row.bot_id, **_details(row)),
}
"""By the type of the row; of one commit, the events are told in this order. Not told is `bot_log`: what a bot or its
hooks want to have noted, in whatever words and number, is no fact of ours."""

TOLD_TYPES = tuple(_TOLD)


def public_events(rows: Iterable[Any]) -> list[CloudEvent]:
    """Rows of `bot_event`, of told types, as events. One that makes no event is left out: it must hold up no other."""
    return list(_readable(sorted(rows, key=_order)))


def _readable(rows: Iterable[Any]) -> Iterator[CloudEvent]:
    for row in rows:
        try:
            yield _public_event(row)
        except (ValueError, TypeError) as error:
            log.error("bot_event_untellable", bot_event_id=row.bot_event_id, reason=str(error))


def _public_event(row: Any) -> CloudEvent:
    fact = _TOLD[row.event_type](row)
    return CloudEvent(
        id=row.bot_event_id,
        source=SOURCE,
        type=f"{TYPE_PREFIX}{fact.name}.v{fact.version}",
        time=row.created_ts,
        subject=row.bot_id,
        pool=next(iter(row.dimensions.get("pool", ())), ""),
        data=fact.model_dump(mode="json", exclude_none=True),
    )


def _order(row: Any) -> tuple[int, Any, int]:
    """A transaction's rows have no order of their own on PostgreSQL, and a handshake may write several."""
    return int(row.tx), row.created_ts, TOLD_TYPES.index(row.event_type)


def _restriction(row: Any) -> dict[str, Any]:
    return {"reason": row.message or "", **_details(row)}


def _details(row: Any) -> dict[str, Any]:
    """Empty in rows that a gateway of an older release writes during an upgrade."""
    return row.details or {}
