"""Finds results that twins may reuse."""

import json
from collections.abc import Collection
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, Text, and_, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import JSONB

from swarming_common.database.columns import UtcDateTime
from swarming_common.database.tables import task_result, task_run
from swarming_common.model.task_id import RunId, TaskId
from swarming_scheduler.state import Twin


def newest_twins(connection: Connection, hashes: Collection[str], completed_after: datetime) -> dict[str, Twin]:
    """The newest successful run of each of these hashes that ended after this moment. One look-up by index for each,
    all in one statement."""
    wanted = json.dumps(sorted(set(hashes)))
    rows = connection.execute(_newest(connection.dialect.name), {"hashes": wanted, "after": completed_after})
    return {
        row.properties_hash: Twin(
            run_id=RunId(TaskId(row.task_id), row.run_number),
            bot_id=row.bot_id,
            exit_code=row.exit_code,
            duration=row.duration,
            cost_usd=row.cost_usd,
        )
        for row in rows
    }


@cache
def _newest(dialect: str) -> Select[Any]:
    given: BindParameter[str] = bindparam("hashes", type_=Text)
    each = func.jsonb_array_elements_text(cast(given, JSONB)) if dialect == "postgresql" else func.json_each(given)
    wanted = each.table_valued("value", name="wanted")
    newest = task_result.alias("newest")
    of_hash = (
        select(newest.c.task_id)
        .where(
            newest.c.properties_hash == wanted.c.value, newest.c.completed_ts > bindparam("after", type_=UtcDateTime)
        )
        .order_by(newest.c.completed_ts.desc())
        .limit(1)
        .scalar_subquery()
    )
    is_its_run = and_(task_run.c.task_id == task_result.c.task_id, task_run.c.run_number == task_result.c.run_number)
    return select(task_result, task_run.c.cost_usd).select_from(
        wanted.join(task_result, task_result.c.task_id == of_hash).join(task_run, is_its_run)
    )
