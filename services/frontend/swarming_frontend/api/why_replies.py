"""Explanations as clients read them (docs/api-extensions.md)."""

from datetime import datetime

from swarming_common.model.dimensions import Requirements
from swarming_common.model.task_id import format_task_id
from swarming_frontend.api.encoding import Json, integer, present, timestamp
from swarming_frontend.explanation.bot_words import near_miss_text
from swarming_frontend.explanation.situation import (
    BotStatus,
    Explanation,
    Forecast,
    MatchingBots,
    NearMiss,
    Situation,
    Word,
)
from swarming_frontend.explanation.wording import start_text


def why_reply(explanation: Explanation, now: datetime) -> Json:
    """A TaskExplanation; the fields after `reasons` are there for a pending task only."""
    situation = explanation.situation
    known = present(
        task_id=format_task_id(explanation.task_id),
        state=explanation.state.name,
        now=timestamp(now),
        summary=explanation.summary,
        reasons=[{"kind": one.kind, "text": one.text} for one in explanation.reasons],
    )
    return known if situation is None else known | _pending(situation, explanation.forecast)


def _pending(situation: Situation, forecast: Forecast | None) -> Json:
    place = situation.place
    return present(
        source="scheduler" if situation.word is Word.TOLD else "tables",
        rank=integer(place.rank),
        rank_is_least=True if place.is_least else None,
        queue_length=integer(place.length),
        ahead=present(
            by_priority=integer(place.ahead_by_priority),
            by_age=integer(place.ahead_by_age),
            in_other_queues=integer(situation.others.ahead),
            in_other_queues_is_least=True if situation.others.is_least else None,
            next_up=[format_task_id(one) for one in place.next_up],
        ),
        waiting_bots=integer(situation.waiting_bots),
        expiration_ts=timestamp(situation.expiration_ts),
        current_task_slice=integer(situation.current_slice),
        slice_expiration_ts=timestamp(situation.slice_expiration_ts),
        excluded_bots=sorted({one.bot_id for one in situation.lost}),
        **_of_bots(situation.asked, situation.matching),
        later_slices=[_later_slice(situation, number) for number in range(1, len(situation.bots))],
        expected_start=None if forecast is None else _expected_start(forecast, situation.now),
    )


def _of_bots(asked: Requirements, bots: MatchingBots) -> Json:
    return present(
        dimensions=_pairs(asked),
        bots={str(status): integer(bots.counts[status]) for status in reversed(BotStatus)},
        example_bots=present(
            **{str(status): [one.bot_id for one in bots.examples[status]] for status in reversed(BotStatus)}
        ),
        nearest_misses=[_near_miss(one) for one in bots.near_misses],
    )


def _later_slice(situation: Situation, number: int) -> Json:
    index = situation.current_slice + number
    asked = situation.slices[index].properties.dimensions
    return present(task_slice=integer(index), **_of_bots(asked, situation.bots[number]))


def _near_miss(miss: NearMiss) -> Json:
    return present(
        count=integer(miss.count),
        missing=_pairs(miss.missing),
        instead=[{"key": key, "values": [list(one) for one in lists if one]} for key, lists in miss.instead],
        examples=list(miss.examples),
        text=near_miss_text(miss),
    )


def _expected_start(forecast: Forecast, now: datetime) -> Json:
    return present(
        text=start_text(forecast, now),
        earliest_ts=timestamp(_whole(forecast.earliest)),
        latest_ts=timestamp(_whole(forecast.latest)),
        basis=forecast.basis,
    )


def _whole(moment: datetime | None) -> datetime | None:
    """To the second: nobody should read more into it."""
    return None if moment is None else moment.replace(microsecond=0)


def _pairs(asked: Requirements) -> list[Json]:
    return [{"key": key, "value": value} for key, value in asked]
