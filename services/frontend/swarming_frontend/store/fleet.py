"""`bot`: every machine at once, with little of each, for whoever counts which of them could run a task."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    Text,
    bindparam,
    case,
    cast,
    func,
    literal_column,
    null,
    or_,
    select,
)

from swarming_common.database.bot_restrictions import bots_with_settings, is_in_maintenance, is_quarantined
from swarming_common.database.tables import bot, bot_setting, task_run
from swarming_common.model.states import TaskState
from swarming_frontend.explanation.situation import BotStatus, FleetBot
from swarming_frontend.store.states import as_a_word

_bot, _set, _run = bot.c, bot_setting.c, task_run.c


def read_fleet(connection: Connection, dead_before: datetime, now: datetime) -> list[FleetBot]:
    """All bots by id; one last heard of before `dead_before`, or that said goodbye, is dead. `state`, which may be
    large, is not read."""
    rows = connection.execute(_FLEET, {"dead_before": dead_before, "now": now})
    return [
        FleetBot(bot_id=bot_id, dimensions=dimensions, last_seen_ts=seen, status=BotStatus(status), note=note)
        for bot_id, dimensions, seen, status, note in rows
    ]


def _fleet() -> Select[Any]:
    busy = select(_run.bot_id).where(_run.state == as_a_word(TaskState.RUNNING), _run.revoked.is_(False))
    moment = _bot.last_seen_ts.type
    is_dead = or_(_bot.last_seen_ts < bindparam("dead_before", type_=moment), _bot.shutdown_ts.is_not(None))
    now: ColumnElement[datetime] = bindparam("now", type_=moment)
    quarantined, maintained = is_quarantined(now), is_in_maintenance(now)
    status = case(
        (is_dead, literal_column(f"'{BotStatus.DEAD}'")),
        (quarantined, literal_column(f"'{BotStatus.QUARANTINED}'")),
        (maintained, literal_column(f"'{BotStatus.MAINTENANCE}'")),
        (_bot.bot_id.in_(busy), literal_column(f"'{BotStatus.BUSY}'")),
        else_=literal_column(f"'{BotStatus.IDLE}'"),
    )
    note = case(
        (is_dead, null()),
        (quarantined, func.coalesce(_set.quarantined, _bot.quarantined, _bot.auto_quarantined)),
        (maintained, func.coalesce(_set.maintenance, _bot.maintenance)),
        else_=null(),
    )
    dimensions = cast(_bot.dimensions, Text)  # parsed elsewhere, not where the database's answers are read
    facts = select(_bot.bot_id, dimensions, _bot.last_seen_ts, status, note)
    return facts.select_from(bots_with_settings()).order_by(_bot.bot_id)


_FLEET = _fleet()
