"""Why a task is pending, in words: the summary and the reasons."""

from collections.abc import Sequence

import pytest

from swarming_frontend.explanation.forecast import RunSpan, forecast
from swarming_frontend.explanation.situation import LostRun, Situation, Word
from swarming_frontend.explanation.wording import reasons, summary
from tests.unit.frontend.situations import (
    BUSY,
    DEAD,
    IDLE,
    MAINTENANCE,
    QUARANTINED,
    a_situation,
    a_slice,
    bot,
    bots,
    runs,
)


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
