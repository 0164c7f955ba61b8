"""Bots as clients read them: BotInfo and BotList of client-api-v1.md section 3."""

from collections.abc import Sequence
from datetime import datetime

import pydantic_core

from swarming_frontend.api.encoding import Json, integer, list_pairs, present, timestamp
from swarming_frontend.store.bots import BotCounts, BotStanding


def bot_info(bot: BotStanding, *, is_dead: bool) -> Json:
    """A BotInfo; `state` is JSON in a string."""
    return present(
        bot_id=bot.bot_id,
        dimensions=list_pairs(bot.dimensions),
        external_ip=bot.external_ip,
        authenticated_as=bot.authenticated_as,
        first_seen_ts=timestamp(bot.first_seen_ts),
        last_seen_ts=timestamp(bot.last_seen_ts),
        is_dead=is_dead,
        quarantined=bot.quarantined is not None,
        maintenance_msg=bot.maintenance,
        task_id=None if bot.run_id is None else str(bot.run_id),
        task_name=bot.task_name,
        version=bot.version,
        state=pydantic_core.to_json(bot.state).decode(),
        deleted=False,
    )


def bot_list(items: Sequence[Json], cursor: str | None, now: datetime, death_timeout_secs: int) -> Json:
    """A BotList."""
    return present(items=list(items), cursor=cursor, now=timestamp(now), death_timeout=integer(death_timeout_secs))


def bot_counts(counts: BotCounts, now: datetime) -> Json:
    """The answer of `bots/count`."""
    return present(
        count=integer(counts.count),
        quarantined=integer(counts.quarantined),
        maintenance=integer(counts.maintenance),
        dead=integer(counts.dead),
        busy=integer(counts.busy),
        now=timestamp(now),
    )
