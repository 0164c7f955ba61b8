"""A bot tells of something that happened to it."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.history import event_of_word
from swarming_botgateway.offers import Closed, Offers
from swarming_botgateway.presence import Presence
from swarming_botgateway.store.bot_events import BotEvent
from swarming_botgateway.store.bots import note_shutdown
from swarming_common.database.group_commit import GroupCommit
from swarming_common.database.port import Database

log = structlog.get_logger(__name__)

ALLOWED_EVENTS = ("bot_error", "bot_log", "bot_rebooting", "bot_shutdown")
"""What a bot may say; everything else in its history the server records itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellEvent:
    """One of the allowed events."""

    word: BotWord
    event_type: str
    message: str | None
    external_ip: str


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Serves events."""

    database: Database
    events: GroupCommit[BotEvent, None]
    offers: Offers
    presence: Presence

    async def __call__(self, told: TellEvent, now: datetime) -> None:
        """Durable once it returns. A bot that shuts down waits for nothing any more, and is away until its next
        handshake. Raises DatabaseAway."""
        word = told.word
        event = event_of_word(word, told.event_type, told.message, now, external_ip=told.external_ip)
        if told.event_type == "bot_shutdown":
            self.offers.close_process(word.bot_id, word.session, Closed.SHUT_DOWN)
        else:
            self.presence.see(word.bot_id, now)
        await self.events.submit(event)
        if told.event_type == "bot_shutdown":
            await self._note_shutdown(word, now)  # who sees that the bot is away finds in its history why
        log.info("bot_event", bot_id=word.bot_id, event_type=told.event_type)

    async def _note_shutdown(self, word: BotWord, now: datetime) -> None:
        session = word.session
        if session is not None:
            await self.database.write(lambda connection: note_shutdown(connection, word.bot_id, session, now))
