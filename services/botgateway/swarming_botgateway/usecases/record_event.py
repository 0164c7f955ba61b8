"""A bot tells of something that happened to it."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.offers import Closed, Offers
from swarming_botgateway.presence import Presence
from swarming_botgateway.storable import storable, storable_text
from swarming_botgateway.store.bot_events import BotEvent
from swarming_common.database.group_commit import GroupCommit

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

    events: GroupCommit[BotEvent, None]
    offers: Offers
    presence: Presence

    async def __call__(self, told: TellEvent, now: datetime) -> None:
        """Durable once it returns. A bot that shuts down waits for nothing any more. Raises DatabaseAway."""
        word = told.word
        if told.event_type == "bot_shutdown":
            self.offers.close_process(word.bot_id, word.session, Closed.SHUT_DOWN)
        self.presence.see(word.bot_id, now)
        await self.events.submit(
            BotEvent(
                bot_id=word.bot_id,
                created_ts=now,
                event_type=told.event_type,
                message=None if told.message is None else storable_text(told.message),
                version=word.facts.version,
                external_ip=told.external_ip,
                dimensions={key: list(values) for key, values in word.facts.dimensions.items()},
                state=storable(word.state),
            )
        )
        log.info("bot_event", bot_id=word.bot_id, event_type=told.event_type)
