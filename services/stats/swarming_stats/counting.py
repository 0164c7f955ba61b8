"""What is counted of an event."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from swarming_common.events.envelope import NumberedEvent


@dataclass(frozen=True, slots=True)
class Count:
    """One cell of the minutes' table."""

    minute_ts: datetime
    pool: str
    event: str


@dataclass(slots=True)
class Amount:
    """How often it happened, and the seconds that those events measured (pending or run time)."""

    count: int = 0
    seconds: float = 0.0


def count(events: Iterable[NumberedEvent]) -> dict[Count, Amount]:
    """Events summed by minute, pool and kind."""
    counts: dict[Count, Amount] = {}
    for event in events:
        cell = Count(event.time.replace(second=0, microsecond=0), event.pool, event.name)
        amount = counts.setdefault(cell, Amount())
        amount.count += 1
        amount.seconds += float(event.data.get("pending_secs") or event.data.get("duration_secs") or 0.0)
    return counts
