"""Keep a bot's row and history up to date with what keeps it from work, whoever says so."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import uuid4

import structlog
from sqlalchemy import Connection

from swarming_botgateway.bot_facts import KnownBot
from swarming_botgateway.bot_word import BotWord
from swarming_botgateway.history import event_of_facts, event_of_word
from swarming_botgateway.standing import news, standing_text, with_own_word, wording
from swarming_botgateway.store.bot_events import BotEvent, write_bot_events
from swarming_botgateway.store.bots import change_standing, known_bot, write_facts
from swarming_common.database.port import Database
from swarming_common.model.bot_restrictions import Restrictions

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KeepStanding:
    """Writes only what is new. Of several gateways that notice the same change, one tells it."""

    database: Database

    async def at_poll(self, word: BotWord, known: KnownBot, now: datetime) -> Restrictions:
        """What keeps the bot from work now, all of it written down. Raises DatabaseAway."""
        said = with_own_word(known.restrictions, word.facts, now)
        restrictions = said.at(now)
        is_same = known.facts == word.facts and known.standing == standing_text(restrictions)
        if is_same and not known.has_shut_down:
            return restrictions

        def write(connection: Connection) -> Sequence[BotEvent]:
            write_facts(connection, word.bot_id, word.facts, said)
            return tell_standing(connection, known.standing, restrictions, event_of_word(word, "", None, now))

        log_standing(await self.database.write(write))
        return restrictions

    async def look(self, bot_id: str, now: datetime) -> None:
        """Look at a bot of which something was set or decided, wherever it is. Raises DatabaseAway."""
        known = await self.database.read(lambda connection: known_bot(connection, bot_id))
        if known is None:
            return
        restrictions = known.restrictions.at(now)
        if known.standing != standing_text(restrictions):
            like = event_of_facts(bot_id, known.facts, "", None, now)
            log_standing(
                await self.database.write(
                    lambda connection: tell_standing(connection, known.standing, restrictions, like)
                )
            )


def tell_standing(
    connection: Connection, before: str, restrictions: Restrictions, like: BotEvent
) -> Sequence[BotEvent]:
    """Note how the bot stands, and the events that led there, which are otherwise like `like`."""
    after = standing_text(restrictions)
    if before == after or not change_standing(connection, like.bot_id, before, after):
        return []
    quarantine, maintenance = restrictions.quarantine, restrictions.maintenance
    like = replace(
        like,
        quarantined=None if quarantine is None else wording(quarantine),
        maintenance=None if maintenance is None else wording(maintenance),
    )
    events = [
        replace(like, event_type=one.event_type, message=one.message, details=one.details, bot_event_id=uuid4().hex)
        for one in news(before, restrictions)
    ]
    write_bot_events(connection, events)
    return events


def log_standing(events: Sequence[BotEvent]) -> None:
    """Once they are written."""
    for one in events:
        log.info("bot_standing_changed", bot_id=one.bot_id, event_type=one.event_type, reason=one.message)
