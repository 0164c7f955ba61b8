"""Puts the situation of a pending task into words: a summary for a person, and every single reason."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from swarming_common.model.dimensions import Requirements, asked_ids
from swarming_frontend.explanation.amounts import counted, listed, ordinal, roughly, span_between
from swarming_frontend.explanation.bot_words import (
    about_busy,
    about_unusable,
    dimensions_text,
    names,
    near_miss_text,
    reasons_of_bots,
)
from swarming_frontend.explanation.situation import (
    BotStatus,
    Explanation,
    Forecast,
    LostRun,
    Reason,
    Situation,
    Word,
)


def summary(situation: Situation, forecast: Forecast) -> str:
    """One to three short sentences, the most important first."""
    bots = situation.matching
    if bots.usable:
        sentences = [_about_turn(situation), _about_start(situation, forecast)]
    elif bots.unusable:
        sentences = [about_unusable(bots, situation.now) + ".", _about_hope(situation)]
    elif bots.excluded:
        sentences = [_about_excluded(situation), _about_hope(situation)]
    else:
        sentences = [_about_no_match(situation), _about_hope(situation)]
    if situation.word is Word.SILENT:
        sentences.append("The scheduler did not answer: this is what the tables say.")
    return " ".join(one for one in sentences if one)


def reasons(situation: Situation, forecast: Forecast) -> tuple[Reason, ...]:
    """Everything worth knowing, the most important first."""
    found = [_bots_reason(situation), *reasons_of_bots(situation.matching, situation.now)]
    if not situation.matching.usable:
        found += [Reason("near_miss", f"{near_miss_text(one)}.") for one in situation.matching.near_misses]
    found += _queue_reasons(situation)
    if situation.lost:
        found.append(Reason("retry", f"{_retried(situation.lost)} It now waits for another bot."))
    found += _slice_reasons(situation)
    found.append(Reason("expires", _about_expiry(situation, forecast)))
    found += _scheduler_reasons(situation)
    return tuple(found)


def stands_still(explanation: Explanation, trouble: str) -> Explanation:
    """The same while the database cannot be written: then nothing starts, whatever else is said."""
    text = f"Nothing can start just now, because {trouble}."
    return replace(
        explanation,
        summary=f"{text} {explanation.summary}",
        reasons=(Reason("database", text), *explanation.reasons),
    )


def start_text(forecast: Forecast, now: datetime) -> str:
    """`in 2 to 6 min`, `in 40 s at the earliest`, `unknown`."""
    if forecast.earliest is None:
        return "unknown"
    low = (forecast.earliest - now).total_seconds()
    if forecast.latest is None:
        return f"in {roughly(max(low, 0))} at the earliest"
    return f"in {span_between(low, (forecast.latest - now).total_seconds())}"


def clock(moment: datetime) -> str:
    """`2026-11-23 17:08:19 UTC`."""
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


# --- the summary's sentences ----------------------------------------------------------------------------------------


def _about_turn(situation: Situation) -> str:
    bots, ahead = situation.matching, situation.ahead
    idle = bots.counts[BotStatus.IDLE]
    if ahead < idle:
        if idle == 1:
            return f"A bot that can run it is free: {bots.examples[BotStatus.IDLE][0].bot_id}."
        return f"{counted(idle, 'bot')} that can run it are free: {names(bots.examples[BotStatus.IDLE], idle)}."
    start = f"{idle:,} of the {bots.usable:,} bots that can run it are free" if idle else about_busy(bots)
    return f"{start}; {_place_clause(situation)}."


def _place_clause(situation: Situation) -> str:
    place, others = situation.place, situation.others
    if place.is_least:
        own = f"at least {counted(place.rank - 1, 'task')} that ask for the same are ahead of it"
    elif place.rank == 1:
        own = "it is next in its queue"
    elif place.length is not None:
        own = f"it is {ordinal(place.rank)} of {place.length:,} in its queue"
    else:
        own = f"it is {ordinal(place.rank)} in its queue"
    if not others.ahead:
        return own
    verb = "is" if others.ahead == 1 and not others.is_least else "are"
    return f"{own}, and {_others(situation)} {verb} ahead for the same bots"


def _about_start(situation: Situation, forecast: Forecast) -> str:
    if forecast.earliest is None:
        return f"When it will start cannot be told: {forecast.basis}."
    if forecast.earliest > situation.expiration_ts:
        left = roughly((situation.expiration_ts - situation.now).total_seconds())
        return f"At this pace it will expire before its turn comes, in {left}."
    if forecast.latest is None:
        return f"It will start {start_text(forecast, situation.now)}."
    if situation.ahead < situation.matching.counts[BotStatus.IDLE]:
        return f"It should start within {(forecast.latest - situation.now).total_seconds():.0f} s."
    return f"It will probably start {start_text(forecast, situation.now)}."


def _about_no_match(situation: Situation) -> str:
    misses, ids = situation.matching.near_misses, asked_ids(situation.asked)
    if ids and not misses:
        return f"No live bot has the id {' or '.join(ids)}."
    start = f"No bot has all that it asks for ({dimensions_text(situation.asked)})"
    return f"{start}: {near_miss_text(misses[0])}." if misses else f"{start}."


def _about_excluded(situation: Situation) -> str:
    excluded = situation.matching.excluded
    if len(excluded) == 1:
        return f"The only bot that matches, {excluded[0]}, was lost while it ran the task; it waits for another one."
    return f"All bots that match ({', '.join(excluded)}) were lost while they ran the task; it waits for another one."


def _about_hope(situation: Situation) -> str:
    """What may help a task that no bot can take now."""
    for number, bots in enumerate(situation.bots[1:], situation.current_slice + 1):
        if bots.usable and situation.next_slice_ts is not None and number == situation.current_slice + 1:
            wait = roughly((situation.next_slice_ts - situation.now).total_seconds())
            return f"In {wait} its next slice begins, which {_can_run(bots.usable)}."
        if bots.usable:
            return f"Its {ordinal(number + 1)} slice, which comes later, is one that {_can_run(bots.usable)}."
    left = roughly(max((situation.expiration_ts - situation.now).total_seconds(), 0))
    return f"It expires in {left} unless one comes."


def _can_run(count: int) -> str:
    return f"{counted(count, 'bot')} can run"


# --- single reasons -------------------------------------------------------------------------------------------------


def _bots_reason(situation: Situation) -> Reason:
    bots = situation.matching
    if situation.ahead < bots.counts[BotStatus.IDLE]:
        return Reason("bot_free", _about_turn(situation))
    if bots.counts[BotStatus.IDLE]:
        return Reason("queue_ahead", _about_turn(situation))
    if bots.usable:
        return Reason("all_busy", f"{about_busy(bots)}.")
    if bots.unusable:
        return Reason("none_usable", f"{about_unusable(bots, situation.now)}.")
    if bots.excluded:
        return Reason("all_excluded", _about_excluded(situation))
    return Reason("no_match", f"No bot has all that it asks for: {dimensions_text(situation.asked)}.")


def _queue_reasons(situation: Situation) -> list[Reason]:
    found = [Reason("queue", _about_place(situation))]
    if situation.others.ahead:
        text = f"{_others(situation)}, which bots that match could run too, stand before it."
        found.append(Reason("other_queues", text[0].upper() + text[1:]))
    if situation.newest_first:
        text = "Its pool starts the newest task of a priority first, so later ones pass it."
        found.append(Reason("newest_first", text))
    return found


def _about_place(situation: Situation) -> str:
    place = situation.place
    if place.rank == 1:
        of_all = f" of {place.length:,}" if place.length and place.length > 1 else ""
        return f"It is next in its queue, the 1st{of_all} of those that ask for the same."
    ahead = []
    if place.ahead_by_priority:
        ahead.append(f"{place.ahead_by_priority:,} by a better priority")
    if place.ahead_by_age:
        ahead.append(f"{place.ahead_by_age:,} by {'being newer' if situation.newest_first else 'age'}")
    of_all = f" of {place.length:,}" if place.length is not None else ""
    least = "at least the " if place.is_least else ""
    return f"It is {least}{ordinal(place.rank)}{of_all} of those that ask for the same; before it go {listed(ahead)}."


def _others(situation: Situation) -> str:
    others = situation.others
    return f"{'at least ' if others.is_least else ''}{counted(others.ahead, 'task')} of other queues"


def _retried(lost: Sequence[LostRun]) -> str:
    return "; ".join(f"{one.bot_id} was lost while it ran the task{_in_brackets(one.reason)}" for one in lost) + "."


def _in_brackets(text: str | None) -> str:
    return f" ({text})" if text else ""


def _slice_reasons(situation: Situation) -> list[Reason]:
    found, number = [], situation.current_slice
    current = situation.slices[number]
    if len(situation.slices) > 1:
        text = f"This is the {ordinal(number + 1)} of {len(situation.slices)} slices"
        if number + 1 < len(situation.slices):
            text += f"; {_about_next_slice(situation)}"
        found.append(Reason("slice", f"{text}."))
    if current.wait_for_capacity and not situation.matching.usable:
        text = "It waits although no bot can run it now, because it was submitted with wait_for_capacity."
        found.append(Reason("wait_for_capacity", text))
    return found


def _about_next_slice(situation: Situation) -> str:
    begins = "the next one begins"
    if situation.next_slice_ts is not None:
        begins += f" in {roughly(max((situation.next_slice_ts - situation.now).total_seconds(), 0))}"
    following = situation.slices[situation.current_slice + 1].properties.dimensions
    usable = situation.bots[1].usable if len(situation.bots) > 1 else 0
    can_run = _can_run(usable) if usable else "no bot can run now"
    return f"{begins} and {_difference(situation.asked, following)}, which {can_run}"


def _difference(now: Requirements, then: Requirements) -> str:
    gone = dimensions_text(tuple(one for one in now if one not in then))
    new = dimensions_text(tuple(one for one in then if one not in now))
    if gone and not new:
        return f"asks for less, without {gone}"
    if new and not gone:
        return f"asks for more, with {new}"
    return f"asks for {new} instead of {gone}" if new else "asks for the same bots"


def _about_expiry(situation: Situation, forecast: Forecast) -> str:
    left = (situation.expiration_ts - situation.now).total_seconds()
    if left <= 0:
        return f"Its time to wait was over at {clock(situation.expiration_ts)}; it expires any moment."
    text = f"It expires in {roughly(left)}, at {clock(situation.expiration_ts)}, if no bot has taken it by then."
    if forecast.earliest is not None and forecast.earliest > situation.expiration_ts:
        text += " At the present pace that comes before its turn."
    return text


def _scheduler_reasons(situation: Situation) -> list[Reason]:
    if situation.word is Word.SILENT:
        text = (
            "The scheduler did not answer in time. The place in the queue is counted from the tables, without tasks "
            "that were submitted just now; while the scheduler is away nothing starts."
        )
        return [Reason("scheduler_silent", text)]
    if situation.word is Word.UNKNOWN:
        text = "The scheduler has not put it into its queue yet; its place is counted from the tables."
        return [Reason("not_taken_in", text)]
    return []
