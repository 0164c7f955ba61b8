"""What bots say of their runs: output and reports, judged and written in one go.

An update is current when its run is RUNNING, not revoked, this bot's, not ended by an earlier report, and said by the
process that confirmed it. Before a process has, only the bot's current one may: any other would lock it out of its own
run. An update without a session is nobody's in particular, and taken. It is late when its run was given up while the
bot was silent: the run keeps output and cost, and nothing else changes. What is neither is stored nowhere; a repeated
ending is known by its row.

Of chunks at one offset the longest is kept: a bot that got no answer may send the same bytes again, and more with them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pydantic_core
from sqlalchemy import Connection, bindparam, func, select

from swarming_botgateway.sessions import PROCESS_LENGTH, parse_session, process_of
from swarming_common.database.dialects import insert_for
from swarming_common.database.hot import Prepared
from swarming_common.database.port import HotBatch
from swarming_common.database.tables import bot, run_report, task_output, task_run
from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId

GIVEN_UP = (int(TaskState.BOT_DIED), int(TaskState.KILLED))
"""How a run stands that was given up for silence; one that its bot ended so has a report that says it."""


@dataclass(frozen=True, slots=True)
class Output:
    """Bytes that a run printed; `start` is their offset in all it prints."""

    start: int
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUpdate:
    """One update of a run."""

    run: RunId
    bot_id: str
    session: str | None
    output: Output | None
    report: Report | None
    cost_usd: float | None = None
    """What the run has cost so far."""

    @property
    def only_confirms(self) -> bool:
        """Whether it says no more than that the bot has the run, which the next update says again if need be."""
        return self.output is None and (self.report is None or self.report.kind is ReportKind.CONFIRMED)

    @property
    def gives_back(self) -> bool:
        """Whether it says that the process was never started: welcome from the run's bot while it is being revoked too,
        or the run would wait for a bot that has nothing more to say."""
        return self.report is not None and self.report.kind is ReportKind.CANCELED


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of an update. `shard` and `state` are None when there is no such run."""

    is_current: bool
    is_repeat: bool
    """It says again how the run ended, as the first time."""
    killing: bool
    state: int | None
    shard: int | None
    is_late: bool = False

    @property
    def is_accepted(self) -> bool:
        """Whether what it says is, or already was, stored."""
        return self.is_current or self.is_repeat


def hot_updates(updates: Sequence[RunUpdate]) -> HotBatch[Sequence[Verdict]]:
    """Judges and writes; repeatable. One verdict for each update, in order."""
    return HotBatch(
        lambda connection: write_updates(connection, updates), _JUDGE_AND_WRITE, lambda: _arguments(updates), _verdicts
    )


def write_updates(connection: Connection, updates: Sequence[RunUpdate]) -> list[Verdict]:
    """The portable form."""
    keep_output, keep_report = _portable_inserts(connection.dialect.name)
    verdicts = [_judge(connection, one) for one in updates]
    for one, verdict in zip(updates, verdicts, strict=True):
        if not verdict.is_current and not verdict.is_late:
            continue
        key = {"task_id": one.run.task_id, "run_number": one.run.number}
        if one.output is not None:
            keep_output.write(connection, {**key, "start": one.output.start, "content": one.output.content})
        report = late_report(one.report) if verdict.is_late else one.report
        if report is not None:
            session = one.session if report.kind is ReportKind.CONFIRMED else None
            row = _report_row(replace(one, report=report)) | {"shard": verdict.shard, "session": session}
            keep_report.write(connection, row)
    return verdicts


def late_report(report: Report | None) -> Report | None:
    """What is kept of a late report: how it ended, if it tells that."""
    if report is None or report.kind is not ReportKind.FINISHED:
        return None
    return report.model_copy(update={"kind": ReportKind.LATE})


def hot_revoked_runs(runs: Sequence[tuple[RunId, str]]) -> HotBatch[Sequence[bool]]:
    """Of each of these runs and bots, in order, whether they do not belong together any more.

    To be asked after the commit of a run's confirmation. Whoever takes a run back commits that first and then reads
    the reports, so at least one side sees what the other wrote (docs/decisions/0002).
    """

    def arguments() -> tuple[list[Any], ...]:
        return (
            [run.task_id for run, _ in runs],
            [run.number for run, _ in runs],
            [bot_id for _, bot_id in runs],
        )

    return HotBatch(
        lambda connection: [not _is_given_to(connection, run, bot_id) for run, bot_id in runs],
        _REVOKED,
        arguments,
        lambda rows: [row["is_revoked"] for row in rows],
    )


def _is_given_to(connection: Connection, run: RunId, bot_id: str) -> bool:
    row = _RUN.one_or_none(connection, {"of_task": run.task_id, "of_number": run.number})
    return row is not None and _is_ours(row, bot_id)


def _is_ours(run: Any, bot_id: str) -> bool:
    return _was_ours(run, bot_id) and not run.revoked


def _was_ours(run: Any, bot_id: str) -> bool:
    return bool(run.state == TaskState.RUNNING and run.bot_id == bot_id)


@cache
def _portable_inserts(dialect: str) -> tuple[Prepared, Prepared]:
    """For output and reports. Made once: making them takes longer than running them."""
    output = insert_for(dialect, task_output)
    longer = func.length(output.excluded.content) > func.length(task_output.c.content)
    output = output.on_conflict_do_update(
        index_elements=task_output.primary_key.columns, set_={"content": output.excluded.content}, where=longer
    )
    return Prepared(output), Prepared(insert_for(dialect, run_report).on_conflict_do_nothing())


_RUN = Prepared(
    select(task_run.c.shard, task_run.c.state, task_run.c.killing, task_run.c.revoked, task_run.c.bot_id).where(
        task_run.c.task_id == bindparam("of_task"), task_run.c.run_number == bindparam("of_number")
    )
)
_REPORTS = Prepared(
    select(run_report.c.kind, run_report.c.session, run_report.c.exit_code, run_report.c.duration).where(
        run_report.c.task_id == bindparam("of_task"),
        run_report.c.run_number == bindparam("of_number"),
        run_report.c.bot_id == bindparam("of_bot"),
    )
)
_SESSION = Prepared(select(bot.c.session).where(bot.c.bot_id == bindparam("of_bot")))


def _judge(connection: Connection, update: RunUpdate) -> Verdict:
    key = {"of_task": update.run.task_id, "of_number": update.run.number}
    run = _RUN.one_or_none(connection, key)
    if run is None:
        return Verdict(is_current=False, is_repeat=False, killing=False, state=None, shard=None)
    reports = _REPORTS.all(connection, key | {"of_bot": update.bot_id})
    is_ours = _is_ours(run, update.bot_id) or (update.gives_back and _was_ours(run, update.bot_id))
    is_open = not any(_stands_against(update, report) for report in reports) and (
        any(report.session is not None for report in reports) or _is_of_current_process(connection, update)
    )
    return Verdict(
        is_current=is_ours and is_open,
        is_repeat=any(_says_the_same(update, report) for report in reports),
        killing=run.killing,
        state=run.state,
        shard=run.shard,
        is_late=run.state in GIVEN_UP and run.bot_id == update.bot_id and is_open,
    )


def _stands_against(update: RunUpdate, report: Any) -> bool:
    if report.kind != ReportKind.CONFIRMED:
        return True
    return None not in (report.session, update.session) and report.session != update.session


def _is_of_current_process(connection: Connection, update: RunUpdate) -> bool:
    """As far as can be told: not of an update without a session, nor of a bot without one."""
    process = process_of(update.session)
    row = None if process is None else _SESSION.one_or_none(connection, {"of_bot": update.bot_id})
    current = None if row is None else parse_session(row.session)
    return current is None or current.process == process


def _says_the_same(update: RunUpdate, report: Any) -> bool:
    said = update.report
    return (
        said is not None
        and said.kind.ends_the_run
        and (report.kind, report.exit_code, report.duration) == (said.kind, said.exit_code, said.duration)
    )


_REVOKED = f"""
SELECT NOT EXISTS (
  SELECT FROM task_run AS run
  WHERE run.task_id = asked.task_id AND run.run_number = asked.run_number AND run.bot_id = asked.bot_id
    AND run.state = {int(TaskState.RUNNING)} AND NOT run.revoked
) AS is_revoked
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS smallint[]), CAST($3 AS text[]))
  WITH ORDINALITY AS asked(task_id, run_number, bot_id, n)
ORDER BY n
"""

_REPORT_COLUMNS = (
    "task_id, run_number, bot_id, kind, shard, session, created_ts, exit_code, duration, hard_timeout, io_timeout,"
    " cost_usd, message, details"
)
_REPORT_VALUES = _REPORT_COLUMNS.replace(
    " kind,", f" CASE WHEN is_late THEN {ReportKind.LATE.code} ELSE kind END,"
).replace(" session,", f" CASE WHEN kind = {ReportKind.CONFIRMED.code} THEN session END,")

_JUDGE_AND_WRITE = f"""
WITH item AS MATERIALIZED (
  SELECT said.*, printed.content, length(printed.content) AS size
  FROM jsonb_to_recordset(CAST(CAST($1 AS text) AS jsonb)) AS said(
    n bigint, task_id bigint, run_number smallint, bot_id text, session text, process text, start bigint, kind smallint,
    created_ts timestamptz, exit_code integer, duration float8, hard_timeout boolean, io_timeout boolean,
    cost_usd float8, message text, details json)
  LEFT JOIN unnest(CAST($2 AS bytea[])) WITH ORDINALITY AS printed(content, n) USING (n)
), compared AS MATERIALIZED (
  SELECT item.*, run.shard, run.state, run.killing, reported.is_repeat,
    COALESCE(run.bot_id = item.bot_id, false) AS is_ours,
    COALESCE(NOT run.revoked OR item.kind = {ReportKind.CANCELED.code}, false) AS is_wanted,
    NOT reported.stands_against AND (
      reported.names_a_session OR item.process IS NULL OR NOT EXISTS (
        SELECT FROM bot WHERE bot.bot_id = item.bot_id AND right(bot.session, {PROCESS_LENGTH}) <> item.process
      )) AS is_open
  FROM item LEFT JOIN task_run AS run USING (task_id, run_number)
  CROSS JOIN LATERAL (
    SELECT
      COALESCE(bool_or(r.kind <> {ReportKind.CONFIRMED.code} OR r.session <> item.session), false) AS stands_against,
      COALESCE(bool_or(r.session IS NOT NULL), false) AS names_a_session,
      COALESCE(bool_or(item.kind <> {ReportKind.CONFIRMED.code} AND r.kind = item.kind
        AND r.exit_code IS NOT DISTINCT FROM item.exit_code
        AND r.duration IS NOT DISTINCT FROM item.duration), false) AS is_repeat
    FROM run_report AS r
    WHERE r.task_id = item.task_id AND r.run_number = item.run_number AND r.bot_id = item.bot_id
  ) AS reported
), judged AS MATERIALIZED (
  SELECT compared.*,
    is_ours AND is_open AND is_wanted AND state = {int(TaskState.RUNNING)} AS is_current,
    is_ours AND is_open AND state IN {GIVEN_UP} AS is_late
  FROM compared
), kept_output AS (
  INSERT INTO task_output AS kept (task_id, run_number, start, content)
  SELECT task_id, run_number, start, content FROM judged WHERE (is_current OR is_late) AND size > 0 AND NOT EXISTS (
    SELECT FROM judged AS longer
    WHERE longer.task_id = judged.task_id AND longer.run_number = judged.run_number AND longer.start = judged.start
      AND (longer.is_current OR longer.is_late) AND (longer.size, longer.n) > (judged.size, judged.n))
  ON CONFLICT (task_id, run_number, start) DO UPDATE SET content = excluded.content
  WHERE length(excluded.content) > length(kept.content)
), kept_reports AS (
  INSERT INTO run_report ({_REPORT_COLUMNS})
  SELECT {_REPORT_VALUES} FROM judged
  WHERE (is_current AND kind IS NOT NULL) OR (is_late AND kind = {ReportKind.FINISHED.code})
  ON CONFLICT DO NOTHING
)
SELECT shard, state, killing, is_current, is_repeat, is_late FROM judged ORDER BY n
"""


def _arguments(updates: Sequence[RunUpdate]) -> tuple[str, list[bytes | None]]:
    said = [_said(number, one) for number, one in enumerate(updates, start=1)]
    return pydantic_core.to_json(said).decode(), [None if one.output is None else one.output.content for one in updates]


def _verdicts(rows: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    return [
        Verdict(
            is_current=row["is_current"],
            is_repeat=row["is_repeat"],
            killing=bool(row["killing"]),
            state=row["state"],
            shard=row["shard"],
            is_late=row["is_late"],
        )
        for row in rows
    ]


def _said(number: int, update: RunUpdate) -> dict[str, Any]:
    return {
        "n": number,
        "task_id": update.run.task_id,
        "run_number": update.run.number,
        "bot_id": update.bot_id,
        "session": update.session,
        "process": process_of(update.session),
        "start": None if update.output is None else update.output.start,
    } | ({} if update.report is None else _report_row(update))


def _report_row(update: RunUpdate) -> dict[str, Any]:
    report = update.report
    assert report is not None
    return {
        "task_id": update.run.task_id,
        "run_number": update.run.number,
        "bot_id": update.bot_id,
        "kind": report.kind.code,
        "created_ts": report.created_ts,
        "exit_code": report.exit_code,
        "duration": report.duration,
        "hard_timeout": report.hard_timeout,
        "io_timeout": report.io_timeout,
        "cost_usd": report.cost_usd,
        "message": report.message,
        "details": report.details or None,
    }
