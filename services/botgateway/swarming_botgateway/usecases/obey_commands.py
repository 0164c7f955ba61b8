"""Do what people ask of bots: rows of `command`, told by hints and found by the feed."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Connection

from swarming_botgateway.history import event_of_facts
from swarming_botgateway.offers import Offers
from swarming_botgateway.store.bot_commands import delete_bot, given_commands, known_since
from swarming_botgateway.store.bot_events import write_bot_events
from swarming_botgateway.store.bots import known_bot
from swarming_common.bus.port import Bus
from swarming_common.database.feed import Feed
from swarming_common.database.port import Database
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.model.commands import BotCommandKind

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteGivenBot:
    """A command to forget a bot, as it was written."""

    command_id: str
    bot_id: str
    given_ts: datetime
    given_by: str
    reply_to: str | None
    unseen_since: datetime | None


@dataclass(eq=False)
class ObeyCommands:
    """Every gateway obeys every command; the one that finds something left to do tells of it."""

    database: Database
    bus: Bus
    offers: Offers
    feed: Feed = field(default_factory=given_commands)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, now: datetime) -> None:
        """Obey what was not obeyed yet. Repeatable: a bot that came back after a command is another bot to it. Raises
        DatabaseAway."""
        async with self._turn:
            async for rows in self.feed.read(self.database):
                commands = [given for given in map(_read, rows) if given is not None]
                bot_ids = [given.bot_id for given in commands]
                since = await self.database.read(partial(known_since, bot_ids=bot_ids))
                for given in commands:
                    first_seen = since.get(given.bot_id)
                    if first_seen is None:
                        self.offers.hear_news(given.bot_id)  # another gateway was first
                    elif first_seen <= given.given_ts:
                        await self._delete(given, now)

    async def _delete(self, given: DeleteGivenBot, now: datetime) -> None:
        if not await self.database.write(lambda connection: _write(connection, given, now)):
            return
        self.offers.hear_news(given.bot_id)
        log.info("bot_deleted", bot_id=given.bot_id, by=given.given_by)
        if given.reply_to is not None:
            self.bus.send(addresses.frontend(given.reply_to), CommandDone(command_id=given.command_id, ok=True))


def _write(connection: Connection, given: DeleteGivenBot, now: datetime) -> bool:
    """Whether the bot was there to be deleted."""
    known = known_bot(connection, given.bot_id)
    deleted = delete_bot(connection, given.bot_id, given.given_ts, given.unseen_since)
    if known is None or deleted is None:
        return False
    event = event_of_facts(
        given.bot_id, known.facts, "bot_deleted", f"by {given.given_by}", now, event_id=given.command_id
    )
    write_bot_events(connection, [replace(event, details={"by": given.given_by}, **asdict(deleted))])
    return True


def _read(row: Any) -> DeleteGivenBot | None:
    try:
        if row.kind != BotCommandKind.DELETE:
            log.error("unknown_command", command_id=row.command_id, kind=row.kind)
            return None
        return DeleteGivenBot(
            command_id=row.command_id,
            bot_id=row.bot_id,
            given_ts=row.created_ts,
            given_by=row.given_by,
            reply_to=row.reply_to,
            unseen_since=_moment(row.arguments, "unseen_since"),
        )
    except (ValueError, TypeError, AttributeError) as error:
        log.error("command_unreadable", command_id=row.command_id, kind=row.kind, reason=str(error))
        return None


def _moment(arguments: Mapping[str, Any], name: str) -> datetime | None:
    text = arguments.get(name)
    return None if text is None else datetime.fromisoformat(text)
