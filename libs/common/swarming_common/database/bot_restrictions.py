"""What keeps bots from work, as `bot` and `bot_setting` say it; read alike where it is acted on and where it shows."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, FromClause, and_, or_

from swarming_common.database.tables import bot, bot_setting
from swarming_common.model.bot_restrictions import BY_BOT, BY_SERVER, Restriction, RestrictionFacts

_bot, _set = bot.c, bot_setting.c

RESTRICTION_COLUMNS = (
    _bot.quarantined,
    _bot.quarantined_ts,
    _bot.maintenance,
    _bot.maintenance_ts,
    _bot.auto_quarantined,
    _bot.auto_quarantined_ts,
    _bot.auto_quarantined_until_ts,
    _set.quarantined.label("set_quarantined"),
    _set.quarantined_by.label("set_quarantined_by"),
    _set.quarantined_ts.label("set_quarantined_ts"),
    _set.quarantined_until_ts.label("set_quarantined_until_ts"),
    _set.maintenance.label("set_maintenance"),
    _set.maintenance_by.label("set_maintenance_by"),
    _set.maintenance_ts.label("set_maintenance_ts"),
    _set.maintenance_until_ts.label("set_maintenance_until_ts"),
    _set.cleared_ts,
)
"""What `restriction_facts` needs of a row of `bots_with_settings`."""


def bots_with_settings() -> FromClause:
    """Each bot with what people set of it."""
    return bot.outerjoin(bot_setting, _set.bot_id == _bot.bot_id)


def restriction_facts(row: Any) -> RestrictionFacts:
    """What a row with RESTRICTION_COLUMNS says."""
    return RestrictionFacts(
        own_quarantine=_restriction(row.quarantined, BY_BOT, row.quarantined_ts),
        own_maintenance=_restriction(row.maintenance, BY_BOT, row.maintenance_ts),
        set_quarantine=_restriction(
            row.set_quarantined, row.set_quarantined_by, row.set_quarantined_ts, row.set_quarantined_until_ts
        ),
        set_maintenance=_restriction(
            row.set_maintenance, row.set_maintenance_by, row.set_maintenance_ts, row.set_maintenance_until_ts
        ),
        auto_quarantine=_restriction(
            row.auto_quarantined, BY_SERVER, row.auto_quarantined_ts, row.auto_quarantined_until_ts
        ),
        cleared_ts=row.cleared_ts,
    )


def is_quarantined(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """In a query of `bots_with_settings`: the same as `RestrictionFacts.at(now).quarantine is not None`."""
    is_not_cleared = or_(_set.cleared_ts.is_(None), _bot.auto_quarantined_ts > _set.cleared_ts)
    return or_(
        _bot.quarantined.is_not(None),
        and_(_set.quarantined.is_not(None), _lasts(_set.quarantined_until_ts, now)),
        and_(_bot.auto_quarantined.is_not(None), _lasts(_bot.auto_quarantined_until_ts, now), is_not_cleared),
    )


def is_in_maintenance(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """The same of maintenance."""
    return or_(
        _bot.maintenance.is_not(None),
        and_(_set.maintenance.is_not(None), _lasts(_set.maintenance_until_ts, now)),
    )


def _lasts(until: ColumnElement[Any], now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return or_(until.is_(None), until > now)


def _restriction(
    reason: str | None, by: str | None, since: datetime | None, until: datetime | None = None
) -> Restriction | None:
    if reason is None:
        return None
    return Restriction(reason=reason, by=by or "", since=since, until=until)
