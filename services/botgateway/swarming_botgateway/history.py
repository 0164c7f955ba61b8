"""Makes the events of a bot's history from what is known of the bot."""

from datetime import datetime
from uuid import uuid4

from swarming_botgateway.bot_facts import BotFacts
from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.identity import AUTHENTICATED_AS
from swarming_botgateway.storable import storable, storable_text
from swarming_botgateway.store.bot_events import BotEvent


def event_of_word(
    word: BotWord,
    event_type: str,
    message: str | None,
    now: datetime,
    *,
    external_ip: str = "",
    event_id: str | None = None,
) -> BotEvent:
    """Something that happened while the bot spoke. With an `event_id`, it is stored once however often it is told."""
    event = event_of_facts(word.bot_id, word.facts, event_type, message, now)
    return BotEvent(
        bot_event_id=event_id or uuid4().hex,
        bot_id=word.bot_id,
        created_ts=now,
        event_type=event_type,
        message=event.message,
        version=event.version,
        external_ip=external_ip,
        dimensions=event.dimensions,
        state=storable(dict(word.state)),
        authenticated_as=AUTHENTICATED_AS,
        quarantined=word.facts.quarantined,
        maintenance=word.facts.maintenance,
    )


def event_of_facts(
    bot_id: str,
    facts: BotFacts,
    event_type: str,
    message: str | None,
    now: datetime,
    *,
    event_id: str | None = None,
) -> BotEvent:
    """Something that happened to a bot which said nothing just then."""
    return BotEvent(
        bot_event_id=event_id or uuid4().hex,
        bot_id=bot_id,
        created_ts=now,
        event_type=event_type,
        message=None if message is None else storable_text(message),
        version=facts.version,
        external_ip="",
        dimensions={key: list(values) for key, values in facts.dimensions.items()},
        state={},
        authenticated_as=AUTHENTICATED_AS,
        quarantined=facts.quarantined,
        maintenance=facts.maintenance,
    )
