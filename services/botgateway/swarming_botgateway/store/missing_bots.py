"""Which bots went silent and were not noted yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, exists, select

from swarming_botgateway.bot_facts import BotFacts
from swarming_common.database.tables import bot, bot_event

MISSING = "bot_missing"

MOST_AT_ONCE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingBot:
    """A bot of which nothing was heard since."""

    bot_id: str
    facts: BotFacts
    last_seen: datetime


def bots_silent_since(connection: Connection, since: datetime) -> Sequence[MissingBot]:
    """Some of them, the longest first. A bot that said farewell is not missing; one whose history says so already since
    it was last heard of is not named again."""
    is_noted = exists().where(
        bot_event.c.bot_id == bot.c.bot_id,
        bot_event.c.created_ts > bot.c.last_seen_ts,
        bot_event.c.event_type == MISSING,
    )
    query = (
        select(bot)
        .where(bot.c.last_seen_ts < since, bot.c.shutdown_ts.is_(None), ~is_noted)
        .order_by(bot.c.last_seen_ts)
        .limit(MOST_AT_ONCE)
    )
    return [
        MissingBot(
            bot_id=row.bot_id,
            facts=BotFacts(
                dimensions=row.dimensions,
                version=row.version,
                quarantined=row.quarantined,
                maintenance=row.maintenance,
            ),
            last_seen=row.last_seen_ts,
        )
        for row in connection.execute(query)
    ]
