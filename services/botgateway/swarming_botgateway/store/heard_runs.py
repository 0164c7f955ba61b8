"""Runs that were heard of, as the feed of reports tells it: their confirmations come once more."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, func, select, update

from swarming_common.database.port import HotBatch
from swarming_common.database.tables import run_report
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId

_AGAIN = f"""
UPDATE run_report SET tx = pg_current_xact_id()
FROM unnest(CAST($1 AS bigint[]), CAST($2 AS smallint[])) AS heard(task_id, run_number)
WHERE run_report.task_id = heard.task_id AND run_report.run_number = heard.run_number
  AND run_report.kind = '{ReportKind.CONFIRMED}'
"""

_AGAIN_ON_SQLITE = (
    update(run_report)
    .where(
        run_report.c.task_id == bindparam("of_task"),
        run_report.c.run_number == bindparam("of_number"),
        run_report.c.kind == ReportKind.CONFIRMED.value,
    )
    .values(tx=select(func.max(run_report.c.tx) + 1).scalar_subquery())
)


def hot_heard_runs(runs: Sequence[RunId]) -> HotBatch[None]:
    """Have each one's confirmation read again by its shard, which takes it for a life sign. Repeatable."""

    def portable(connection: Connection) -> None:
        rows = [{"of_task": run.task_id, "of_number": run.number} for run in runs]
        connection.execute(_AGAIN_ON_SQLITE, rows)

    return HotBatch(
        portable, _AGAIN, lambda: ([run.task_id for run in runs], [run.number for run in runs]), lambda _: None
    )
