"""The feed of `bot_event`, and how far it was told."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, select, update

from swarming_common.database.tables import bot_event, bot_event_relay


def events_to_tell(event_types: Sequence[str]) -> Select[Any]:
    """For a feed. What a bot says of its state is not even read."""
    columns = bot_event.c
    return select(
        columns.tx,
        columns.bot_event_id,
        columns.bot_id,
        columns.created_ts,
        columns.event_type,
        columns.message,
        columns.version,
        columns.dimensions,
        columns.details,
    ).where(columns.event_type.in_(event_types))


def told_up_to(connection: Connection) -> int:
    """The cursor: everything before it was told."""
    return int(connection.execute(select(bot_event_relay.c.cursor)).scalar_one())


def move_cursor(connection: Connection, cursor: int) -> None:
    """Everything before this was told."""
    connection.execute(update(bot_event_relay).values(cursor=cursor))
