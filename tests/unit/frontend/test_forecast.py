"""When a pending task will start, as far as it can be told, and how roughly that is said."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from swarming_frontend.explanation.amounts import ordinal, roughly, span_between
from swarming_frontend.explanation.forecast import RunSpan, forecast
from swarming_frontend.explanation.situation import Situation
from swarming_frontend.explanation.wording import start_text, summary
from tests.unit.frontend.situations import IDLE, NOW, a_situation, a_slice, bots, runs


def outlook(situation: Situation, history: Sequence[RunSpan] = ()) -> str:
    return start_text(forecast(situation, history), NOW)


def test_a_free_bot_takes_it_at_its_next_poll():
    assert outlook(a_situation(bots(2, IDLE), rank=2, length=2)) == "in less than 60 s"


def test_nothing_is_foretold_without_a_bot_or_without_a_past():
    assert outlook(a_situation()) == "unknown"
    assert outlook(a_situation(bots(1))) == "unknown"
    assert outlook(a_situation(bots(1)), [RunSpan(NOW - timedelta(minutes=5), None)]) == "unknown"


def test_without_a_bot_the_next_slice_is_the_earliest():
    situation = a_situation(bots(1, os="Mac"), a_slice(os="Linux"), a_slice(os="Mac"))

    assert outlook(situation) == "in 40 s at the earliest"


def test_more_bots_start_it_sooner_and_more_tasks_ahead_later():
    def middle(count: int, rank: int) -> float:
        found = forecast(a_situation(bots(count), rank=rank, length=rank), runs(100, 60))
        assert found.earliest is not None
        assert found.latest is not None
        return ((found.earliest - NOW) + (found.latest - NOW)).total_seconds() / 2

    assert middle(10, 101) == pytest.approx(60 * 101 / 10, rel=0.05)
    assert middle(20, 101) == pytest.approx(60 * 101 / 20, rel=0.05)
    assert middle(10, 401) == pytest.approx(60 * 401 / 10, rel=0.05)


def test_where_more_may_be_ahead_than_were_counted_only_the_earliest_is_told():
    situation = a_situation(bots(10), rank=2001, length=None, is_least=True, expires_in=86400)

    assert outlook(situation, runs(50, 60)).endswith(" h at the earliest")
    assert "at least 2,000 tasks are ahead" in forecast(situation, runs(50, 60)).basis
    assert " h at the earliest." in summary(situation, forecast(situation, runs(50, 60)))


def test_few_runs_make_a_wide_range():
    def width(count: int) -> float:
        found = forecast(a_situation(bots(5), rank=50, length=50), runs(count, 60))
        assert found.earliest is not None
        assert found.latest is not None
        return (found.latest - found.earliest).total_seconds()

    assert width(3) > 2 * width(100)


def test_runs_that_go_on_count_for_the_hour_that_was_looked_at():
    long_ago = RunSpan(NOW - timedelta(days=1), None)

    with_it = forecast(a_situation(bots(2)), [*runs(1, 60), long_ago])

    assert "a run holds a bot for 60 min" in with_it.basis  # 3,660 s of work, in which one run ended


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (4, "4 s"), (23, "20 s"), (100, "2 min"), (3000, "50 min"), (9000, "2 h"), (200_000, "2 days")],
)
def test_amounts_are_rough(seconds, text):
    assert roughly(seconds) == text


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [(130, 350, "2 to 6 min"), (50, 150, "50 s to 2 min"), (0, 20, "less than 20 s"), (170, 180, "about 3 min")],
)
def test_spans_are_rough(low, high, text):
    assert span_between(low, high) == text


def test_ordinals():
    assert [ordinal(n) for n in (1, 2, 3, 4, 11, 12, 13, 21, 101, 111)] == [
        *("1st", "2nd", "3rd", "4th", "11th", "12th", "13th", "21st", "101st", "111th"),
    ]
