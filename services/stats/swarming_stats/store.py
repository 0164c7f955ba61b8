"""The statistics' own tables."""

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Connection, Executable, select

from swarming_common.database.dialects import insert_for
from swarming_common.database.tables import stats_minute
from swarming_stats.counting import Amount, Count


def add_counts(connection: Connection, counts: Mapping[Count, Amount]) -> None:
    """Add to the minutes; in a fixed order, so that two workers never wait for each other in a circle."""
    rows = [
        {
            "minute_ts": cell.minute_ts,
            "pool": cell.pool,
            "event": cell.event,
            "count": one.count,
            "seconds": one.seconds,
        }
        for cell, one in sorted(counts.items(), key=lambda pair: (pair[0].minute_ts, pair[0].pool, pair[0].event))
    ]
    connection.execute(_add(connection.dialect.name), rows)


@cache
def _add(dialect: str) -> Executable:
    """Made once: making a statement takes longer than running it."""
    add = insert_for(dialect, stats_minute)
    return add.on_conflict_do_update(
        index_elements=[stats_minute.c.minute_ts, stats_minute.c.pool, stats_minute.c.event],
        set_={
            "count": stats_minute.c.count + add.excluded["count"],
            "seconds": stats_minute.c.seconds + add.excluded.seconds,
        },
    )


def minutes(connection: Connection, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """The counted minutes from `start` (included) to `end` (not), oldest first."""
    query = (
        select(stats_minute)
        .where(stats_minute.c.minute_ts >= start, stats_minute.c.minute_ts < end)
        .order_by(stats_minute.c.minute_ts, stats_minute.c.pool, stats_minute.c.event)
    )
    return [row._asdict() for row in connection.execute(query)]
