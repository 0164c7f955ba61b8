"""What is known of bots, and which runs they have not finished."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    Executable,
    Select,
    and_,
    bindparam,
    exists,
    func,
    literal_column,
    select,
    update,
)

from swarming_botgateway.bot_facts import AskedRestart, BotFacts, KnownBot, SeenBot, UnfinishedRun
from swarming_botgateway.sessions import Session, parse_session
from swarming_common.database.bot_restrictions import RESTRICTION_COLUMNS, bots_with_settings, restriction_facts
from swarming_common.database.dialects import insert_for
from swarming_common.database.hot import Prepared
from swarming_common.database.tables import bot, bot_setting, run_report, shard, task_request, task_run
from swarming_common.model.bot_restrictions import RestrictionFacts
from swarming_common.model.reports import ReportKind
from swarming_common.model.shards import DEFAULT_SHARD_COUNT
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId

_RUNNING = str(int(TaskState.RUNNING))
"""Written into the query: PostgreSQL uses its index of live runs only for a value that it sees when it plans."""


def shard_count(connection: Connection) -> int:
    """How many shards the pools are spread over."""
    return connection.execute(select(func.count()).select_from(shard)).scalar_one() or DEFAULT_SHARD_COUNT


def known_bot(connection: Connection, bot_id: str) -> KnownBot | None:
    """What is known of a bot; None for one that has no row."""
    return known_of_rows(_KNOWN_BOT.all(connection, {"of_bot": bot_id}))


def known_of_rows(rows: Sequence[Any]) -> KnownBot | None:
    """What the rows of one bot from `bots_as_known` say; None if there are none."""
    if not rows:
        return None
    first = rows[0]
    return KnownBot(
        session=parse_session(first.session),
        facts=BotFacts(
            dimensions=first.dimensions,
            version=first.version,
            quarantined=first.quarantined,
            maintenance=first.maintenance,
        ),
        restrictions=restriction_facts(first),
        standing=first.standing or "",
        has_shut_down=first.shutdown_ts is not None,
        restart=None if first.restart_ts is None else AskedRestart(reason=first.restart or "", since=first.restart_ts),
        unfinished=tuple(_unfinished(row) for row in rows if row.task_id is not None),
    )


def current_session(connection: Connection, bot_id: str) -> Session | None:
    """The bot's session; the row is kept from others until the transaction ends."""
    query = select(bot.c.session).where(bot.c.bot_id == bot_id).with_for_update()
    return parse_session(connection.execute(query).scalar_one_or_none())


def write_connected_bot(connection: Connection, row: Mapping[str, Any]) -> None:
    """The row of a bot that shook hands: all columns; one that is known keeps when it was first seen."""
    connection.execute(_upsert_of(connection.dialect.name, tuple(row)), dict(row))


@cache
def _upsert_of(dialect: str, columns: tuple[str, ...]) -> Executable:
    """Made once: making it takes longer than running it."""
    upsert = insert_for(dialect, bot)
    changes = {name: upsert.excluded[name] for name in columns if name not in ("bot_id", "first_seen_ts")}
    return upsert.on_conflict_do_update(index_elements=["bot_id"], set_=changes)


def write_facts(connection: Connection, bot_id: str, facts: BotFacts, said: RestrictionFacts) -> None:
    """What others act on, at once, from a bot that is there; `said` is the bot's word of now."""
    connection.execute(update(bot).where(bot.c.bot_id == bot_id).values(shutdown_ts=None, **fact_columns(facts, said)))


def fact_columns(facts: BotFacts, said: RestrictionFacts) -> dict[str, Any]:
    """A bot's facts as columns of its row."""
    quarantine, maintenance = said.own_quarantine, said.own_maintenance
    return {
        "dimensions": dict(facts.dimensions),
        "version": facts.version,
        "quarantined": facts.quarantined,
        "quarantined_ts": None if quarantine is None else quarantine.since,
        "maintenance": facts.maintenance,
        "maintenance_ts": None if maintenance is None else maintenance.since,
    }


def change_standing(connection: Connection, bot_id: str, before: str, after: str) -> bool:
    """Whether it was this call that changed it: of several that notice the same change, one does."""
    is_as_before = func.coalesce(bot.c.standing, "") == before
    changed = connection.execute(update(bot).where(bot.c.bot_id == bot_id, is_as_before).values(standing=after))
    return changed.rowcount == 1


def note_shutdown(connection: Connection, bot_id: str, session: Session, now: datetime) -> bool:
    """The process with this session said goodbye; False if the bot has another by now."""
    said = update(bot).where(bot.c.bot_id == bot_id, bot.c.session == str(session))
    return connection.execute(said.values(shutdown_ts=now, last_seen_ts=now)).rowcount == 1


def write_seen_bots(connection: Connection, seen: Collection[SeenBot]) -> None:
    """When bots were last heard of, and their states; repeatable, and an older word never replaces a newer one."""
    touch = update(bot).where(bot.c.bot_id == bindparam("of_bot"), bot.c.last_seen_ts < bindparam("at"))
    for with_state in (False, True):
        # in one order everywhere: two gateways that write the same bots must not wait for each other in a circle
        rows = [
            {"of_bot": one.bot_id, "at": one.last_seen, "new_state": one.state}
            for one in sorted(seen, key=lambda one: one.bot_id)
            if (one.state is not None) == with_state
        ]
        changes: dict[str, Any] = {"last_seen_ts": bindparam("at")}
        if with_state:
            changes["state"] = bindparam("new_state")
        else:
            rows = [{"of_bot": row["of_bot"], "at": row["at"]} for row in rows]
        if rows:
            connection.execute(touch.values(changes), rows)


def unfinished_runs(connection: Connection, bot_id: str) -> tuple[UnfinishedRun, ...]:
    """The runs of a bot, which need not have a row yet, that it has not finished."""
    return tuple(_unfinished(row) for row in _UNFINISHED_RUNS.all(connection, {"of_bot": bot_id}))


def bots_as_known(is_asked: Callable[[ColumnElement[str]], ColumnElement[bool]]) -> Select[Any]:
    """The rows of all bots whose ids are asked for, one for each unfinished run and at least one for each bot."""
    runs = _unfinished_runs().where(is_asked(task_run.c.bot_id)).subquery("runs")
    return (
        select(
            bot.c.bot_id,
            bot.c.session,
            bot.c.dimensions,
            bot.c.version,
            bot.c.standing,
            bot.c.shutdown_ts,
            *RESTRICTION_COLUMNS,
            bot_setting.c.restart,
            bot_setting.c.restart_ts,
            runs.c.task_id,
            runs.c.run_number,
            runs.c.shard,
            runs.c.is_termination,
            runs.c.confirmed,
            runs.c.confirmed_by,
        )
        .select_from(bots_with_settings())
        .outerjoin(runs, runs.c.bot_id == bot.c.bot_id)
        .where(is_asked(bot.c.bot_id))
    )


def _unfinished_runs() -> Select[Any]:
    confirmed, ending = run_report.alias("confirmed"), run_report.alias("ending")
    return (
        select(
            task_run.c.task_id,
            task_run.c.run_number,
            task_run.c.shard,
            task_run.c.bot_id,
            confirmed.c.kind.label("confirmed"),
            confirmed.c.session.label("confirmed_by"),
            and_(task_request.c.task_id.is_not(None), task_request.c.pool.is_(None)).label("is_termination"),
        )
        .join_from(
            task_run,
            confirmed,
            and_(_is_of_run(confirmed), confirmed.c.kind == ReportKind.CONFIRMED.value),
            isouter=True,
        )
        .outerjoin(task_request, task_request.c.task_id == task_run.c.task_id)
        .where(
            task_run.c.state == literal_column(_RUNNING),
            task_run.c.revoked.is_(False),
            ~exists().where(_is_of_run(ending), ending.c.kind != ReportKind.CONFIRMED.value),
        )
    )


def _is_of_run(report: Any) -> Any:
    return and_(
        report.c.task_id == task_run.c.task_id,
        report.c.run_number == task_run.c.run_number,
        report.c.bot_id == task_run.c.bot_id,
    )


def _unfinished(row: Any) -> UnfinishedRun:
    return UnfinishedRun(
        run=RunId(TaskId(row.task_id), row.run_number),
        shard=row.shard,
        is_confirmed=row.confirmed is not None,
        confirmed_by=parse_session(row.confirmed_by),
        is_termination=bool(row.is_termination),
    )


_OF_BOT: BindParameter[str] = bindparam("of_bot")
_UNFINISHED_RUNS = Prepared(_unfinished_runs().where(task_run.c.bot_id == _OF_BOT))
_KNOWN_BOT = Prepared(bots_as_known(lambda bot_id: bot_id == _OF_BOT))
"""Made once: every poll asks this, and making it takes longer than the answer."""
