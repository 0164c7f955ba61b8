"""`bot_event` and `task_run`: what happened to a bot. That it got a task, and how that ended, is read from the run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select

from swarming_common.database.tables import bot, bot_event, bot_snapshot, task_request, task_run
from swarming_common.model.bot_restrictions import BY_BOT, Restriction
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_frontend.store.bots import BotStanding

_event, _run = bot_event.c, task_run.c

_END_TYPES = {
    TaskState.COMPLETED: "task_completed",
    TaskState.TIMED_OUT: "task_completed",
    TaskState.KILLED: "task_killed",
    TaskState.CANCELED: "task_killed",
    TaskState.BOT_DIED: "task_error",
    TaskState.CLIENT_ERROR: "task_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BotHappening:
    """One thing that happened to a bot; `key` tells it from others of the same moment."""

    at: datetime
    key: str
    event_type: str
    message: str | None
    version: str
    dimensions: Mapping[str, Sequence[str]]
    state: Mapping[str, Any] | None = None
    external_ip: str | None = None
    authenticated_as: str | None = None
    quarantined: str | None = None
    maintenance: str | None = None
    run_id: RunId | None = None


@dataclass(frozen=True, slots=True)
class HistoryPlace:
    """A place in a bot's history."""

    moment: AwareDatetime
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySpan:
    """From `start` on, and before `end`."""

    start: datetime | None = None
    end: datetime | None = None


def bot_history(
    connection: Connection, bot_id: str, span: HistorySpan, after: HistoryPlace | None, limit: int
) -> tuple[list[BotHappening], HistoryPlace | None]:
    """At most `limit` things after this place, the newest first, and the place to go on from, None at the end."""
    events = _events(connection, bot_id, span, after, limit + 1)
    runs = _of_runs(connection, bot_id, span, after, limit + 1)
    found = sorted([*events, *runs], key=lambda one: (one.at, one.key), reverse=True)
    if len(found) <= limit:
        return found, None
    return found[:limit], HistoryPlace(found[limit - 1].at, found[limit - 1].key)


def has_history(connection: Connection, bot_id: str) -> bool:
    """Whether such a bot is, or was, known."""
    known = select(bot.c.bot_id).where(bot.c.bot_id == bot_id)
    happened = select(_event.bot_id).where(_event.bot_id == bot_id).limit(1)
    return any(connection.execute(query).first() is not None for query in (known, happened))


def deleted_bot(connection: Connection, bot_id: str) -> BotStanding | None:
    """What the newest event of a bot that is not known any more says of it; None if there is none."""
    of_bot = _event.bot_id == bot_id
    row = connection.execute(select(bot_event).where(of_bot).order_by(_event.created_ts.desc()).limit(1)).one_or_none()
    if row is None:
        return None
    first = connection.execute(select(func.min(_event.created_ts)).where(of_bot)).scalar_one()
    return BotStanding(
        bot_id=bot_id,
        dimensions=row.dimensions,
        state=row.state,
        version=row.version,
        external_ip=row.external_ip,
        authenticated_as=row.authenticated_as or "",
        first_seen_ts=first,
        last_seen_ts=row.last_seen_ts or row.created_ts,
        shutdown_ts=None,
        quarantined=_as_told(row.quarantined),
        maintenance=_as_told(row.maintenance),
        run_id=None,
        task_name=None,
        is_deleted=True,
    )


def _as_told(reason: str | None) -> Restriction | None:
    return None if reason is None else Restriction(reason=reason, by=BY_BOT, since=None)


def _events(
    connection: Connection, bot_id: str, span: HistorySpan, after: HistoryPlace | None, limit: int
) -> Iterator[BotHappening]:
    terms: list[ColumnElement[bool]] = [_event.bot_id == bot_id]
    if span.start is not None:
        terms.append(_event.created_ts >= span.start)
    if span.end is not None:
        terms.append(_event.created_ts < span.end)
    if after is not None:
        key = literal("event ") + _event.bot_event_id
        terms.append(or_(_event.created_ts < after.moment, and_(_event.created_ts == after.moment, key < after.key)))
    newest_first = (_event.created_ts.desc(), _event.bot_event_id.desc())
    for row in connection.execute(select(bot_event).where(*terms).order_by(*newest_first).limit(limit)):
        yield BotHappening(
            at=row.created_ts,
            key=f"event {row.bot_event_id}",
            event_type=row.event_type,
            message=row.message,
            version=row.version,
            dimensions=row.dimensions,
            state=row.state,
            external_ip=row.external_ip or None,
            authenticated_as=row.authenticated_as,
            quarantined=row.quarantined,
            maintenance=row.maintenance,
        )


def _of_runs(
    connection: Connection, bot_id: str, span: HistorySpan, after: HistoryPlace | None, limit: int
) -> Iterator[BotHappening]:
    """A bot has one run at a time, so the newest runs have the newest beginnings and ends."""
    terms: list[ColumnElement[bool]] = [_run.bot_id == bot_id]
    if span.end is not None:
        terms.append(_run.started_ts < span.end)
    if after is not None:
        terms.append(_run.started_ts <= after.moment)
    query = (
        select(task_run, task_request.c.pool, bot_snapshot.c.version, bot_snapshot.c.dimensions)
        .join_from(task_run, task_request, task_request.c.task_id == _run.task_id, isouter=True)
        .outerjoin(bot_snapshot, bot_snapshot.c.bot_snapshot_id == _run.bot_snapshot_id)
        .where(*terms)
        .order_by(_run.started_ts.desc())
        .limit(limit)
    )
    for row in connection.execute(query):
        for one in _of_run(row):
            is_in_span = (span.start is None or one.at >= span.start) and (span.end is None or one.at < span.end)
            if is_in_span and (after is None or (one.at, one.key) < (after.moment, after.key)):
                yield one


def _of_run(row: Any) -> Iterator[BotHappening]:
    run_id = RunId(TaskId(row.task_id), row.run_number)
    facts: dict[str, Any] = {"version": row.version, "dimensions": row.dimensions, "run_id": run_id}
    began = "bot_terminate" if row.pool is None else "request_task"
    yield BotHappening(at=row.started_ts, key=f"run {run_id} 1", event_type=began, message=None, **facts)
    ended = row.completed_ts or row.abandoned_ts
    event_type = _END_TYPES.get(TaskState(row.state))
    if ended is not None and event_type is not None:
        yield BotHappening(at=ended, key=f"run {run_id} 2", event_type=event_type, message=row.reason, **facts)
