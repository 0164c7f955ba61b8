"""How a bot's newest runs ended, and what the gateways decided because of it."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select, update

from swarming_botgateway.failures import RunEnd
from swarming_common.database.tables import bot, bot_setting, run_report, task_run
from swarming_common.model.bot_restrictions import Restriction
from swarming_common.model.reports import ReportKind

ENDS_READ = 100
"""Failures that count nothing (a task named what does not exist) may lie between those that count."""

NOT_THE_BOTS_FAULT = ("missing_cas", "missing_cipd", "unreachable_data")
"""Details of a failure at what the task named."""

_ENDS = (
    select(run_report.c.created_ts, run_report.c.kind, run_report.c.message, run_report.c.details)
    .join_from(
        task_run,
        run_report,
        and_(
            run_report.c.task_id == task_run.c.task_id,
            run_report.c.run_number == task_run.c.run_number,
            run_report.c.bot_id == task_run.c.bot_id,
        ),
    )
    .where(
        task_run.c.bot_id == bindparam("of_bot"),
        run_report.c.kind.in_([ReportKind.FAILED.value, ReportKind.FINISHED.value]),
    )
    .order_by(task_run.c.started_ts.desc())
    .limit(ENDS_READ)
)


def newest_ends(connection: Connection, bot_id: str) -> list[RunEnd]:
    """The newest first, without those that say nothing of the bot."""
    ends = [_end(row) for row in connection.execute(_ENDS, {"of_bot": bot_id})]
    return [one for one in ends if one is not None]


def cleared_at(connection: Connection, bot_id: str) -> datetime | None:
    """When a person last said that the bot is fit; failures before count no more."""
    found: datetime | None = connection.execute(
        select(bot_setting.c.cleared_ts).where(bot_setting.c.bot_id == bot_id)
    ).scalar_one_or_none()
    return found


def write_auto_quarantine(connection: Connection, bot_id: str, quarantine: Restriction) -> None:
    """The gateways' decision. What the bot and people say stays as it is."""
    decided = update(bot).where(bot.c.bot_id == bot_id)
    connection.execute(
        decided.values(
            auto_quarantined=quarantine.reason,
            auto_quarantined_ts=quarantine.since,
            auto_quarantined_until_ts=quarantine.until,
        )
    )


def _end(row: Any) -> RunEnd | None:
    is_failure = row.kind == ReportKind.FAILED
    if is_failure and any((row.details or {}).get(key) for key in NOT_THE_BOTS_FAULT):
        return None
    return RunEnd(at=row.created_ts, is_failure=is_failure, message=row.message)
