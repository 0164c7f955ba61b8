"""Why a task is pending, worked out from made-up situations."""

import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from swarming_common.model.dimensions import Requirements, requirements
from swarming_common.model.request import TaskProperties, TaskSlice
from swarming_frontend.explanation.amounts import ordinal, roughly, span_between
from swarming_frontend.explanation.bot_words import near_miss_text
from swarming_frontend.explanation.forecast import RunSpan, forecast
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
from swarming_frontend.explanation.wording import reasons, start_text, summary

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


def told(situation: Situation, history: Sequence[RunSpan] = ()) -> str:
    return summary(situation, forecast(situation, history))


def texts(situation: Situation, history: Sequence[RunSpan] = ()) -> dict[str, str]:
    return {one.kind: one.text for one in reasons(situation, forecast(situation, history))}


LOST = LostRun(bot_id="bot-1", reason="the bot was silent for too long")

SUMMARIES = [
    (
        a_situation(),
        "No bot has all that it asks for (os=Linux, pool=default). It expires in 60 min unless one comes.",
    ),
    (
        a_situation(bots(3, IDLE), a_slice(os="Windows")),
        "No bot has all that it asks for (os=Windows, pool=default): 3 bots match all but os=Windows; they have "
        "os=Linux. It expires in 60 min unless one comes.",
    ),
    (
        a_situation([bot(status=IDLE)]),
        "A bot that can run it is free: bot-1. It should start within 60 s.",
    ),
    (
        a_situation([bot(status=IDLE)], word=Word.SILENT),
        "A bot that can run it is free: bot-1. When it will start cannot be told: a free bot gets it as soon as the "
        "scheduler is back. The scheduler did not answer: this is what the tables say.",
    ),
    (
        a_situation([bot(status=BUSY)]),
        "The only bot that can run it, bot-1, is busy; it is next in its queue. When it will start cannot be told: no "
        "run has ended on the bots that can run it in the last hour.",
    ),
    (
        a_situation(bots(2), rank=2, length=3, by_priority=1),
        "Both bots that can run it are busy; it is 2nd of 3 in its queue. When it will start cannot be told: no run "
        "has ended on the bots that can run it in the last hour.",
    ),
    (
        a_situation(bots(3), rank=12, length=40, others=1),
        "All 3 bots that can run it are busy; it is 12th of 40 in its queue, and 1 task of other queues is ahead for "
        "the same bots. When it will start cannot be told: no run has ended on the bots that can run it in the last "
        "hour.",
    ),
    (
        a_situation([bot("bot-3", QUARANTINED, note="no disk space"), *bots(2, IDLE, "mac", os="Mac")]),
        "The only bot that matches, bot-3, is quarantined (no disk space). It expires in 60 min unless one comes.",
    ),
    (
        a_situation(bots(2, DEAD)),
        "Both bots that match are dead (bot-1, bot-2). It expires in 60 min unless one comes.",
    ),
    (
        a_situation([*bots(2, DEAD), bot("q", QUARANTINED), bot("m", MAINTENANCE)]),
        "None of the 4 bots that match takes tasks: 2 are dead, 1 is quarantined and 1 is in maintenance. It expires "
        "in 60 min unless one comes.",
    ),
    (
        a_situation([bot("bot-1")], lost=[LOST]),
        "The only bot that matches, bot-1, was lost while it ran the task; it waits for another one. It expires in "
        "60 min unless one comes.",
    ),
    (
        a_situation(bots(3, BUSY, os="Mac"), a_slice(os="Linux"), a_slice(os="Mac")),
        "No bot has all that it asks for (os=Linux, pool=default): 3 bots match all but os=Linux; they have os=Mac. In "
        "40 s its next slice begins, which 3 bots can run.",
    ),
    (
        a_situation(bots(2), rank=3, length=None, word=Word.SILENT),
        "Both bots that can run it are busy; it is 3rd in its queue. When it will start cannot be told: no run has "
        "ended on the bots that can run it in the last hour. The scheduler did not answer: this is what the tables "
        "say.",
    ),
]


@pytest.mark.parametrize(("situation", "expected"), SUMMARIES)
def test_the_summary_says_the_most_important_first(situation, expected):
    assert told(situation) == expected


def test_a_summary_tells_when_it_will_probably_start():
    situation = a_situation(bots(2), rank=4, length=4)

    text = told(situation, runs(10, 60))

    assert "It will probably start in 30 s to 4 min." in text


def test_a_task_that_will_not_have_its_turn_in_time_is_told_so():
    situation = a_situation(bots(1), rank=500, length=500, expires_in=300)

    assert "At this pace it will expire before its turn comes, in 5 min." in told(situation, runs(20, 60))
    assert "comes before its turn" in texts(situation, runs(20, 60))["expires"]


def test_every_status_of_matching_bots_is_a_reason():
    fleet = [bot("a", IDLE), bot("b", BUSY), bot("c", DEAD), bot("d", QUARANTINED, "hot"), bot("e", MAINTENANCE)]

    found = texts(a_situation(fleet))

    assert found["bots_idle"] == "1 bot that matches is free: a"
    assert found["bots_dead"] == "1 bot that matches is dead: c (last heard of 2 h ago)"
    assert found["bots_quarantined"] == "1 bot that matches is quarantined: d (hot)"
    assert {"bots_busy", "bots_maintenance", "bot_free", "queue", "expires"} <= found.keys()


def test_a_retried_task_waits_for_another_bot():
    found = texts(a_situation(bots(2), lost=[LOST]))

    assert found["retry"] == (
        "bot-1 was lost while it ran the task (the bot was silent for too long). It now waits for another bot."
    )


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        (a_slice(os="Linux", gpu="nvidia"), a_slice(os="Linux"), "asks for less, without gpu=nvidia"),
        (a_slice(os="Linux"), a_slice(os="Linux", gpu="nvidia"), "asks for more, with gpu=nvidia"),
        (a_slice(os="Linux"), a_slice(os="Mac"), "asks for os=Mac instead of os=Linux"),
        (a_slice(os="Linux"), a_slice(os="Linux"), "asks for the same bots"),
    ],
)
def test_a_slice_says_what_comes_next(first, second, difference):
    text = texts(a_situation([], first, second))["slice"]

    assert text == (
        f"This is the 1st of 2 slices; the next one begins in 40 s and {difference}, which no bot can run now."
    )


def test_waiting_for_capacity_is_a_reason_only_where_there_is_none():
    patient = a_slice(wait_for_capacity=True, os="Linux")

    assert "wait_for_capacity" in texts(a_situation([], patient))
    assert "wait_for_capacity" not in texts(a_situation(bots(1), patient))


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ({"rank": 1, "length": 1}, "It is next in its queue, the 1st of those that ask for the same."),
        ({"rank": 1, "length": 9}, "It is next in its queue, the 1st of 9 of those that ask for the same."),
        (
            {"rank": 4, "length": 9, "by_priority": 1},
            "It is 4th of 9 of those that ask for the same; before it go 1 by a better priority and 2 by age.",
        ),
        (
            {"rank": 4, "length": 9, "newest_first": True},
            "It is 4th of 9 of those that ask for the same; before it go 3 by being newer.",
        ),
        (
            {"rank": 2001, "length": None, "is_least": True},
            "It is at least the 2,001st of those that ask for the same; before it go 2,000 by age.",
        ),
    ],
)
def test_the_place_in_the_queue(place, text):
    assert texts(a_situation(bots(1), **place))["queue"] == text


@pytest.mark.parametrize(("word", "kind"), [(Word.SILENT, "scheduler_silent"), (Word.UNKNOWN, "not_taken_in")])
def test_what_the_scheduler_did_not_tell_is_said(word, kind):
    assert kind in texts(a_situation(bots(1), word=word))
    assert kind not in texts(a_situation(bots(1)))


# --- near misses ----------------------------------------------------------------------------------------------------


def misses(fleet: Sequence[FleetBot], **dimensions: str) -> list[str]:
    return [near_miss_text(one) for one in look_over(fleet, [asked(**dimensions)])[0].near_misses]


@pytest.mark.parametrize(
    ("fleet", "wanted", "text"),
    [
        (bots(1), {"os": "Windows"}, "1 bot matches all but os=Windows; it has os=Linux"),
        (bots(3), {"os": "Mac|Windows"}, "3 bots match all but os=Mac|Windows; they have os=Linux"),
        (bots(2), {"gpu": "nvidia"}, "2 bots match all but gpu=nvidia; they have no gpu"),
        (
            bots(2, os=["Linux", "Debian"]),
            {"os": "Windows"},
            "2 bots match all but os=Windows; they have os=Linux|Debian",
        ),
        (
            [*bots(2), *bots(3, name="mac", os="Mac")],
            {"os": "Windows"},
            "5 bots match all but os=Windows; they have os=Mac or os=Linux",
        ),
        (
            [bot(str(number), os=f"os{number}") for number in range(5)],
            {"os": "Windows"},
            "5 bots match all but os=Windows; they have os=os0, os=os1, os=os2 or others",
        ),
        (bots(2), {"id": "bot-9"}, "2 bots match all but id=bot-9"),
        (bots(4), {"pool": "defualt"}, "4 bots match all but pool=defualt; they have pool=default"),
    ],
)
def test_a_near_miss_in_words(fleet, wanted, text):
    assert misses(fleet, **wanted) == [text]


def test_the_nearest_of_the_same_pool_come_first():
    fleet = [
        bot("other-pool", pool="gpus", os="Windows", gpu="nvidia"),
        bot("misses-one", os="Windows"),
        bot("misses-two", os="Linux"),
        bot("misses-two-and-the-pool", pool="gpus"),
    ]

    assert [one.split(";")[0] for one in misses(fleet, os="Windows", gpu="nvidia")] == [
        "1 bot matches all but gpu=nvidia",
        "1 bot matches all but gpu=nvidia and os=Windows",
        "1 bot matches all but pool=default",
    ]


def test_bots_that_miss_far_more_than_the_nearest_are_not_told():
    fleet = [bot("near", a="1", b="1", c="1"), bot("far")]

    assert len(misses(fleet, a="1", b="1", c="1", d="1")) == 1


def test_a_task_for_a_bots_id_is_compared_with_that_bot():
    assert misses(bots(5), id="bot-2", os="Windows") == ["1 bot matches all but os=Windows; it has os=Linux"]


def test_dead_bots_and_bots_without_anything_in_common_are_no_near_misses():
    assert misses([bot("dead", DEAD), bot("else", pool="other")], os="Windows") == []


def test_there_are_at_most_five_groups():
    fleet = [bot(key, IDLE, **{other: "1" for other in "abcdefgh" if other != key}) for key in "abcdefgh"]

    assert len(misses(fleet, **dict.fromkeys("abcdefgh", "1"))) == 5


def test_ten_thousand_bots_take_well_under_a_second():
    fleet = [bot(f"bot-{n}", BUSY, cpu=["x86", f"x86-{n % 50}"], rack=str(n % 300)) for n in range(10_000)]
    slices = [asked(os="Windows", cpu="x86-7"), asked(os="Linux", cpu="x86-7"), asked(os="Linux")]

    before = time.process_time()
    found = look_over(fleet, slices)

    assert time.process_time() - before < 1
    assert [one.usable for one in found] == [0, 200, 10_000]
    assert found[0].near_misses[0].count == 200
    assert len(found[2].sample) == 50


# --- the forecast ---------------------------------------------------------------------------------------------------


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
    assert " h at the earliest." in told(situation, runs(50, 60))


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
