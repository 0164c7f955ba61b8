"""Runs that were heard of, as the feed of reports tells it: their confirmations come once more, with newer costs."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from swarming_common.database.port import HotBatch
from swarming_common.database.tables import run_report
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId

_AGAIN = f"""
UPDATE run_report SET tx = pg_current_xact_id(), cost_usd = COALESCE(heard.cost_usd, run_report.cost_usd)
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS smallint[]), CAST($3 AS float8[])) AS heard(task_id, run_number, cost_usd)
WHERE run_report.task_id = heard.task_id AND run_report.run_number = heard.run_number
  AND run_report.kind = {ReportKind.CONFIRMED.code}
"""

_AGAIN_ON_SQLITE = (
    update(run_report)
    .where(
        run_report.c.task_id == bindparam("of_task"),
        run_report.c.run_number == bindparam("of_number"),
        run_report.c.kind == ReportKind.CONFIRMED.value,
    )
    .values(
        tx=select(func.max(run_report.c.tx) + 1).scalar_subquery(),
        cost_usd=func.coalesce(bindparam("newest_cost"), run_report.c.cost_usd),
    )
)


def hot_heard_runs(runs: Sequence[tuple[RunId, float | None]]) -> HotBatch[None]:
    """Have each one's confirmation read again by its shard, which takes it for a life sign. Repeatable.

    With each run what it has cost so far, if its bot said so.
    """

    def portable(connection: Connection) -> None:
        rows = [{"of_task": run.task_id, "of_number": run.number, "newest_cost": cost} for run, cost in runs]
        connection.execute(_AGAIN_ON_SQLITE, rows)

    def arguments() -> tuple[list[Any], ...]:
        return ([run.task_id for run, _ in runs], [run.number for run, _ in runs], [cost for _, cost in runs])

    return HotBatch(portable, _AGAIN, arguments, lambda _: None)
