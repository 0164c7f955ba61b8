"""Bots as clients read them: BotInfo, BotList and BotEvent of client-api-v1.md section 3."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import pydantic_core

from swarming_common.model.bot_restrictions import Restriction
from swarming_frontend.api.encoding import Json, integer, list_pairs, present, timestamp
from swarming_frontend.store.bot_history import BotHappening
from swarming_frontend.store.bots import BotCounts, BotStanding


def bot_info(bot: BotStanding, *, is_dead: bool) -> Json:
    """A BotInfo; `state` is JSON in a string. `quarantine`, `maintenance` and `shutdown_ts` are extensions."""
    return present(
        bot_id=bot.bot_id,
        dimensions=list_pairs(bot.dimensions),
        external_ip=bot.external_ip or None,
        authenticated_as=bot.authenticated_as,
        first_seen_ts=timestamp(bot.first_seen_ts),
        last_seen_ts=timestamp(bot.last_seen_ts),
        is_dead=is_dead,
        quarantined=bot.quarantined is not None,
        quarantine=_restriction(bot.quarantined),
        maintenance_msg=None if bot.maintenance is None else bot.maintenance.reason,
        maintenance=_restriction(bot.maintenance),
        shutdown_ts=timestamp(bot.shutdown_ts),
        task_id=None if bot.run_id is None else str(bot.run_id),
        task_name=bot.task_name,
        version=bot.version,
        state=pydantic_core.to_json(bot.state).decode(),
        deleted=bot.is_deleted,
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


def bots_dimensions(values: Mapping[str, Sequence[str]], now: datetime) -> Json:
    """The answer of `bots/dimensions`."""
    return {
        "bots_dimensions": [{"key": key, "value": list(several)} for key, several in values.items()],
        "ts": timestamp(now),
    }


def bot_events(happened: Sequence[BotHappening], cursor: str | None, now: datetime) -> Json:
    """A list of BotEvents."""
    return present(items=[_bot_event(one) for one in happened], cursor=cursor, now=timestamp(now))


def _bot_event(one: BotHappening) -> Json:
    return present(
        ts=timestamp(one.at),
        event_type=one.event_type,
        message=one.message,
        dimensions=list_pairs(one.dimensions),
        state=None if one.state is None else pydantic_core.to_json(one.state).decode(),
        external_ip=one.external_ip,
        authenticated_as=one.authenticated_as,
        version=one.version or None,
        quarantined=one.quarantined is not None,
        maintenance_msg=one.maintenance,
        task_id=None if one.run_id is None else str(one.run_id),
    )


def _restriction(restriction: Restriction | None) -> Json | None:
    if restriction is None:
        return None
    return present(
        reason=restriction.reason,
        by=restriction.by,
        since_ts=timestamp(restriction.since),
        until_ts=timestamp(restriction.until),
    )
