"""What happened to bots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection

from swarming_common.database.dialects import insert
from swarming_common.database.tables import bot_event


@dataclass(frozen=True, slots=True, kw_only=True)
class BotEvent:
    """One thing that happened; everything in it is storable."""

    bot_id: str
    created_ts: datetime
    event_type: str
    message: str | None
    version: str
    external_ip: str
    dimensions: dict[str, list[str]]
    state: dict[str, Any]
    authenticated_as: str | None = None
    quarantined: str | None = None
    maintenance: str | None = None
    details: Mapping[str, str] | None = None
    """What the message says in words."""
    last_seen_ts: datetime | None = None
    """When the bot was last heard of, if that was not just then."""
    bot_event_id: str = field(default_factory=lambda: uuid4().hex)


def write_bot_events(connection: Connection, events: Sequence[BotEvent]) -> list[None]:
    """Keep them; repeatable, since each has an id of its own."""
    if not events:
        return []
    statement = insert(connection, bot_event).on_conflict_do_nothing()
    connection.execute(statement, [_row(event) for event in events])
    return [None] * len(events)


def _row(event: BotEvent) -> dict[str, Any]:
    return {
        "bot_event_id": event.bot_event_id,
        "bot_id": event.bot_id,
        "created_ts": event.created_ts,
        "event_type": event.event_type,
        "message": event.message,
        "version": event.version,
        "external_ip": event.external_ip,
        "dimensions": event.dimensions,
        "state": event.state,
        "task_id": None,
        "run_number": None,
        "authenticated_as": event.authenticated_as,
        "quarantined": event.quarantined,
        "maintenance": event.maintenance,
        "details": None if event.details is None else dict(event.details),
        "last_seen_ts": event.last_seen_ts,
    }
