"""When a pending task may start: how many runs are ahead of it, and how long runs hold the bots that match.

A bot that works frees itself at a pace of (runs that ended) / (time spent in runs), counted over the last hour and
including the runs that go on: that holds for a fleet that is always busy and for one that mostly waits. With N bots
the P-th task ahead starts after about P / (N × pace); the range around it is what chance makes of so few numbers in
about four cases of five.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import sqrt

from swarming_frontend.explanation.amounts import counted, roughly
from swarming_frontend.explanation.situation import BotStatus, Forecast, Situation, Word

WINDOW = timedelta(hours=1)
POLL_SECONDS = 60
"""A bot that waits asks for work at least so often."""
SPREAD = 1.3
LEAST_RUN_SECONDS = 0.1
"""A run takes at least about that long with its hand-over, however short its command."""


@dataclass(frozen=True, slots=True)
class RunSpan:
    """When a run of a bot that matches began and ended; None while it goes on."""

    started_ts: datetime
    ended_ts: datetime | None


def forecast(situation: Situation, runs: Sequence[RunSpan]) -> Forecast:
    """`runs` are the newest of the matching bots that began within WINDOW, and those that go on. Where more tasks may
    be ahead than were counted there is no latest moment."""
    bots, now = situation.matching, situation.now
    if not bots.usable:
        return _without_bots(situation)
    if situation.ahead < bots.counts[BotStatus.IDLE]:
        if situation.word is Word.SILENT:
            return Forecast(basis="a free bot gets it as soon as the scheduler is back")
        basis = f"a bot that waits asks for work at least once in {POLL_SECONDS} s"
        return Forecast(earliest=now, latest=now + timedelta(seconds=POLL_SECONDS), basis=basis)
    ended, busy_seconds = _pace(runs, now)
    if not ended:
        return Forecast(basis="no run has ended on the bots that can run it in the last hour")
    turns = situation.ahead - bots.counts[BotStatus.IDLE] + 1
    run_seconds = max(busy_seconds / ended, LEAST_RUN_SECONDS)
    expected = turns * run_seconds / bots.usable
    spread = SPREAD * sqrt(1 / turns + 1 / ended)
    return Forecast(
        earliest=now + timedelta(seconds=expected * max(0.0, 1 - spread)),
        latest=None if situation.is_ahead_least else now + timedelta(seconds=expected * (1 + spread)),
        basis=(
            f"a run holds a bot for {roughly(run_seconds)} (seen in {counted(ended, 'run')} of the last hour), "
            f"{counted(bots.usable, 'bot')} can run it, "
            f"{'at least ' if situation.is_ahead_least else ''}{counted(situation.ahead, 'task')} "
            f"{'is' if situation.ahead == 1 else 'are'} ahead"
        ),
    )


def _pace(runs: Sequence[RunSpan], now: datetime) -> tuple[int, float]:
    """How many runs ended, and the seconds that bots spent in runs."""
    since = now - WINDOW
    spans = [((one.ended_ts or now) - max(one.started_ts, since)).total_seconds() for one in runs]
    return sum(one.ended_ts is not None for one in runs), sum(max(span, 0.0) for span in spans)


def _without_bots(situation: Situation) -> Forecast:
    next_usable = next((bots for bots in situation.bots[1:2] if bots.usable), None)
    if next_usable is not None and situation.next_slice_ts is not None:
        basis = "no bot that is fit for work matches now; when the next slice begins, some do"
        return Forecast(earliest=situation.next_slice_ts, basis=basis)
    return Forecast(basis="no bot that is fit for work matches")
