"""What people ask of bots, and what is done about it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, or_, select

from swarming_common.database.feed import Feed
from swarming_common.database.tables import bot, command


@dataclass(frozen=True, slots=True)
class DeletedBot:
    """What only the row of a bot said, for its history."""

    state: dict[str, Any]
    external_ip: str
    last_seen_ts: datetime


def given_commands() -> Feed:
    """The feed of what people ask of bots."""
    columns = command.c
    query = select(
        columns.tx,
        columns.command_id,
        columns.kind,
        columns.bot_id,
        columns.arguments,
        columns.given_by,
        columns.reply_to,
        columns.created_ts,
    ).where(columns.bot_id.is_not(None))
    return Feed(command, query)


def known_since(connection: Connection, bot_ids: Collection[str]) -> dict[str, datetime]:
    """Since when those of these bots that are there are known."""
    found = connection.execute(select(bot.c.bot_id, bot.c.first_seen_ts).where(bot.c.bot_id.in_(bot_ids)))
    return {row.bot_id: row.first_seen_ts for row in found}


def delete_bot(
    connection: Connection, bot_id: str, given_ts: datetime, unseen_since: datetime | None
) -> DeletedBot | None:
    """Forget a bot that was there when the command was given; None if it is another by now, or lives after all. Its
    history and what people set of it stay."""
    found = delete(bot).where(bot.c.bot_id == bot_id, bot.c.first_seen_ts <= given_ts)
    if unseen_since is not None:
        found = found.where(or_(bot.c.last_seen_ts < unseen_since, bot.c.shutdown_ts.is_not(None)))
    row = connection.execute(found.returning(bot.c.state, bot.c.external_ip, bot.c.last_seen_ts)).one_or_none()
    return None if row is None else DeletedBot(row.state, row.external_ip, row.last_seen_ts)
