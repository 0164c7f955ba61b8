"""`bot`: what is known of the machines, with the run that each has and with what people set of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from swarming_common.database.bot_restrictions import (
    RESTRICTION_COLUMNS,
    bots_with_settings,
    is_in_maintenance,
    is_quarantined,
    restriction_facts,
)
from swarming_common.database.tables import bot, task_request, task_run
from swarming_common.model.bot_restrictions import Restriction
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId
from swarming_frontend.store.containment import has_dimensions

_bot, _run = bot.c, task_run.c
_FACTS = (
    "bot_id",
    "dimensions",
    "state",
    "version",
    "external_ip",
    "authenticated_as",
    "first_seen_ts",
    "last_seen_ts",
    "shutdown_ts",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BotStanding:
    """A machine as it was last heard of. `quarantined` and `maintenance` say why and who says so, None when it is
    neither."""

    bot_id: str
    dimensions: Mapping[str, Sequence[str]]
    state: Mapping[str, Any]
    version: str
    external_ip: str
    authenticated_as: str
    first_seen_ts: datetime
    last_seen_ts: datetime
    shutdown_ts: datetime | None
    """When it said goodbye, until it shakes hands again."""
    quarantined: Restriction | None
    maintenance: Restriction | None
    run_id: RunId | None
    task_name: str | None
    is_deleted: bool = False
    """Only its history is left, and this is what the newest of that says."""


@dataclass(frozen=True, kw_only=True)
class BotFilter:
    """Which bots; None lets both kinds through. A bot last heard of before `dead_before` is dead, and so is one that
    said goodbye."""

    now: datetime
    dead_before: datetime
    dimensions: tuple[tuple[str, str], ...] = ()
    quarantined: bool | None = None
    in_maintenance: bool | None = None
    is_dead: bool | None = None
    is_busy: bool | None = None


@dataclass(frozen=True, kw_only=True)
class BotCounts:
    """How many bots there are, and how many of each kind; one bot may be of several."""

    count: int
    quarantined: int
    maintenance: int
    dead: int
    busy: int


def list_bots(
    connection: Connection, wanted: BotFilter, after: str | None, limit: int
) -> tuple[list[BotStanding], str | None]:
    """At most `limit` bots after this id, by id, and the id to go on from, None at the end."""
    query = _query().where(_wanted(wanted, connection.dialect.name)).order_by(_bot.bot_id).limit(limit + 1)
    if after is not None:
        query = query.where(_bot.bot_id > after)
    found = _once_each(connection.execute(query).all(), wanted.now)
    return found[:limit], found[limit - 1].bot_id if len(found) > limit else None


def bot_by_id(connection: Connection, bot_id: str, now: datetime) -> BotStanding | None:
    """One bot, None if it is not known (any more)."""
    found = _once_each(connection.execute(_query().where(_bot.bot_id == bot_id)).all(), now)
    return found[0] if found else None


def count_bots(connection: Connection, wanted: BotFilter) -> BotCounts:
    """How many bots there are of these."""
    dialect = connection.dialect.name

    def count(more: BotFilter | None = None) -> ColumnElement[int]:
        return func.count().filter(_wanted(more or wanted, dialect))

    row = connection.execute(
        select(
            count(),
            count(_only(wanted, quarantined=True)),
            count(_only(wanted, in_maintenance=True)),
            count(_only(wanted, is_dead=True)),
            count(_only(wanted, is_busy=True)),
        ).select_from(bots_with_settings())
    ).one()
    return BotCounts(count=row[0], quarantined=row[1], maintenance=row[2], dead=row[3], busy=row[4])


def _only(wanted: BotFilter, **more: bool) -> BotFilter:
    return BotFilter(now=wanted.now, dead_before=wanted.dead_before, dimensions=wanted.dimensions, **more)


def _is_busy() -> ColumnElement[bool]:
    other = task_run.alias()
    is_of_bot = other.c.bot_id == _bot.bot_id
    return exists().where(is_of_bot, other.c.state == int(TaskState.RUNNING), other.c.revoked.is_(False))


def _query() -> Any:
    has_run = and_(_run.bot_id == _bot.bot_id, _run.state == int(TaskState.RUNNING), _run.revoked.is_(False))
    facts = (_bot[name] for name in _FACTS)
    name = task_request.c.name.label("task_name")
    return select(*facts, *RESTRICTION_COLUMNS, _run.task_id, _run.run_number, name).select_from(
        bots_with_settings()
        .outerjoin(task_run, has_run)
        .outerjoin(task_request, task_request.c.task_id == _run.task_id)
    )


def _wanted(wanted: BotFilter, dialect: str) -> ColumnElement[bool]:
    terms: list[ColumnElement[bool]] = [_bot.bot_id.is_not(None)]
    if wanted.dimensions:
        terms.append(has_dimensions(_bot.dimensions, wanted.dimensions, dialect))
    for is_wanted, term in (
        (wanted.quarantined, is_quarantined(wanted.now)),
        (wanted.in_maintenance, is_in_maintenance(wanted.now)),
        (wanted.is_dead, or_(_bot.last_seen_ts < wanted.dead_before, _bot.shutdown_ts.is_not(None))),
        (wanted.is_busy, _is_busy()),
    ):
        if is_wanted is not None:
            terms.append(term if is_wanted else ~term)
    return and_(*terms)


def _once_each(rows: Sequence[Any], now: datetime) -> list[BotStanding]:
    """A bot has one run at a time; should it ever have two, it is shown with one of them."""
    found: dict[str, BotStanding] = {}
    for row in rows:
        run_id = None if row.task_id is None else RunId(row.task_id, row.run_number)
        restrictions = restriction_facts(row).at(now)
        found[row.bot_id] = BotStanding(
            bot_id=row.bot_id,
            dimensions=row.dimensions,
            state=row.state,
            version=row.version,
            external_ip=row.external_ip,
            authenticated_as=row.authenticated_as,
            first_seen_ts=row.first_seen_ts,
            last_seen_ts=row.last_seen_ts,
            shutdown_ts=row.shutdown_ts,
            quarantined=restrictions.quarantine,
            maintenance=restrictions.maintenance,
            run_id=run_id,
            task_name=row.task_name,
        )
    return list(found.values())
