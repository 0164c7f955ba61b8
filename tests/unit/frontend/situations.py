"""Made-up situations of a task that is pending."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from swarming_common.model.dimensions import Requirements, requirements
from swarming_common.model.request import TaskProperties, TaskSlice
from swarming_frontend.explanation.forecast import RunSpan
from swarming_frontend.explanation.matching_bots import look_over
from swarming_frontend.explanation.situation import (
    BotStatus,
    FleetBot,
    LostRun,
    OtherQueues,
    Place,
    Situation,
    Word,
)

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
IDLE, BUSY, DEAD, QUARANTINED, MAINTENANCE = (
    BotStatus.IDLE,
    BotStatus.BUSY,
    BotStatus.DEAD,
    BotStatus.QUARANTINED,
    BotStatus.MAINTENANCE,
)


def asked(**dimensions: str) -> Requirements:
    return requirements({"pool": "default", **dimensions}.items())


def bot(bot_id: str = "bot-1", status: BotStatus = IDLE, note: str | None = None, **dimensions: Any) -> FleetBot:
    values = {"id": [bot_id], "pool": ["default"], "os": ["Linux"]}
    values |= {key: [one] if isinstance(one, str) else one for key, one in dimensions.items()}
    seen = NOW - timedelta(hours=2 if status is DEAD else 0)
    return FleetBot(bot_id=bot_id, dimensions=json.dumps(values), last_seen_ts=seen, status=status, note=note)


def bots(count: int, status: BotStatus = BUSY, name: str = "bot", **dimensions: Any) -> list[FleetBot]:
    return [bot(f"{name}-{number}", status, **dimensions) for number in range(1, count + 1)]


def a_slice(wait_for_capacity: bool = False, **dimensions: str) -> TaskSlice:
    properties = TaskProperties(command=("true",), dimensions=asked(**dimensions), execution_timeout_secs=60)
    return TaskSlice(properties=properties, expiration_secs=3600, wait_for_capacity=wait_for_capacity)


def a_situation(
    fleet: Sequence[FleetBot] = (),
    *slices: TaskSlice,
    rank: int = 1,
    length: int | None = 1,
    by_priority: int = 0,
    is_least: bool = False,
    others: int = 0,
    lost: Sequence[LostRun] = (),
    word: Word = Word.TOLD,
    slice_ends_in: float = 40,
    expires_in: float = 3600,
    newest_first: bool = False,
) -> Situation:
    all_slices = slices or (a_slice(os="Linux"),)
    wanted = [one.properties.dimensions for one in all_slices]
    return Situation(
        now=NOW,
        expiration_ts=NOW + timedelta(seconds=expires_in),
        slices=all_slices,
        current_slice=0,
        slice_expiration_ts=NOW + timedelta(seconds=slice_ends_in),
        bots=look_over(fleet, wanted, frozenset(one.bot_id for one in lost)),
        place=Place(
            rank=rank,
            length=length,
            ahead_by_priority=by_priority,
            ahead_by_age=rank - 1 - by_priority,
            next_up=(),
            is_least=is_least,
        ),
        others=OtherQueues(ahead=others),
        lost=lost,
        word=word,
        newest_first=newest_first,
    )


def runs(count: int, seconds: float) -> list[RunSpan]:
    """Runs that ended lately."""
    return [RunSpan(NOW - timedelta(seconds=seconds + n), NOW - timedelta(seconds=n)) for n in range(count)]
