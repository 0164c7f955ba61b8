"""The statistics' own tables."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from swarming_common.database.dialects import insert
from swarming_common.database.tables import stats_minute
from swarming_stats.counting import Amount, Count


def add_counts(connection: Connection, counts: Mapping[Count, Amount]) -> None:
    """Add to the minutes; in a fixed order, so that two workers never wait for each other in a circle."""
    add = insert(connection, stats_minute)
    add = add.on_conflict_do_update(
        index_elements=[stats_minute.c.minute_ts, stats_minute.c.pool, stats_minute.c.event],
        set_={
            "count": stats_minute.c.count + add.excluded["count"],
            "seconds": stats_minute.c.seconds + add.excluded.seconds,
        },
    )
    for cell in sorted(counts, key=lambda one: (one.minute_ts, one.pool, one.event)):
        amount = counts[cell]
        row = {"minute_ts": cell.minute_ts, "pool": cell.pool, "event": cell.event}
        connection.execute(add, {**row, "count": amount.count, "seconds": amount.seconds})


def minutes(connection: Connection, start: datetime, end: datetime) -> list[dict[str, Any]]:
    """The counted minutes from `start` (included) to `end` (not), oldest first."""
    query = (
        select(stats_minute)
        .where(stats_minute.c.minute_ts >= start, stats_minute.c.minute_ts < end)
        .order_by(stats_minute.c.minute_ts, stats_minute.c.pool, stats_minute.c.event)
    )
    return [row._asdict() for row in connection.execute(query)]
