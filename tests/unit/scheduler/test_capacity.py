"""What is known of the bots, what they could run, and why not."""

from datetime import timedelta

import pytest

from swarming_common.model.dimensions import requirements
from swarming_scheduler.capacity import Capacity, SeenBot
from swarming_scheduler.shortfall import shortfall
from tests.unit.scheduler.builders import BEGINNING, a_bot

LATER = BEGINNING + timedelta(seconds=60)
LONG_BEFORE = BEGINNING - timedelta(hours=1)


def asked(**dimensions: str) -> tuple[tuple[str, str], ...]:
    return requirements({"pool": "default", **dimensions}.items())


def known(*bots: SeenBot) -> Capacity:
    capacity = Capacity()
    capacity.replace(bots, LATER)
    return capacity


def test_there_is_capacity_when_a_live_bot_has_all_that_is_asked_for():
    capacity = known(a_bot("bot1", os=("Linux", "Debian"), gpu=("none",)))

    assert capacity.has(asked(os="Debian"), LONG_BEFORE)
    assert capacity.has(asked(os="Mac|Linux", gpu="none"), LONG_BEFORE)
    assert not capacity.has(asked(os="Mac"), LONG_BEFORE)
    assert not capacity.has(requirements([("pool", "other")]), LONG_BEFORE)


def test_an_id_is_asked_of_that_bot():
    capacity = known(a_bot("bot1", os=("Linux",)), a_bot("bot2", os=("Mac",)))

    assert capacity.has(asked(id="bot2|bot3", os="Mac"), LONG_BEFORE)
    assert not capacity.has(asked(id="bot1", os="Mac"), LONG_BEFORE)
    assert not capacity.has(asked(id="bot3"), LONG_BEFORE)


def test_a_bot_that_was_not_heard_of_lately_is_none():
    capacity = known(a_bot("bot1"))

    assert capacity.has(asked(), BEGINNING - timedelta(seconds=1))
    assert not capacity.has(asked(), BEGINNING)
    assert not capacity.has(asked(id="bot1"), BEGINNING)
    assert capacity.has(asked(), None)


def test_an_answer_changes_with_the_bots():
    capacity = known(a_bot("bot1", os=("Linux",)))
    answers = [capacity.has(asked(os="Mac"), LONG_BEFORE)]

    capacity.note(a_bot("bot1", os=("Mac",)))
    answers.append(capacity.has(asked(os="Mac"), LONG_BEFORE))
    answers.append(capacity.has(asked(os="Linux"), LONG_BEFORE))
    capacity.replace([], LATER + timedelta(seconds=1))
    answers.append(capacity.has(asked(os="Mac"), LONG_BEFORE))

    assert answers == [False, True, False, False]
    assert len(capacity) == 0


def test_a_dead_kind_comes_back_to_life_with_one_of_its_bots():
    capacity = known(a_bot("bot1"), a_bot("bot2"))
    assert not capacity.has(asked(), BEGINNING)

    capacity.note(SeenBot("bot2", a_bot("bot2").dimensions, LATER))

    assert capacity.has(asked(), BEGINNING)


def test_what_was_noted_during_a_look_at_the_table_is_newer_than_the_look():
    capacity = Capacity()
    capacity.note(SeenBot("bot1", a_bot("bot1", os=("Mac",)).dimensions, LATER))
    capacity.replace([a_bot("bot1", os=("Linux",))], BEGINNING)

    assert capacity.has(asked(os="Mac"), LONG_BEFORE)
    assert not capacity.has(asked(os="Linux"), LONG_BEFORE)


def test_ten_thousand_bots_alike_are_one_kind():
    capacity = known(*(a_bot(f"bot{number}", os=("Linux",)) for number in range(10_000)))

    assert len(list(capacity.kinds("default"))) == 1


@pytest.mark.parametrize(
    ("dimensions", "words"),
    [
        ({"os": "Plan9"}, "no live bot has os=Plan9 among the 4 bots of pool default"),
        (
            {"os": "Mac", "gpu": "nvidia"},
            "no live bot has all of gpu=nvidia and os=Mac among the 4 bots of pool default; 2 bots lack only os=Mac",
        ),
        (
            {"os": "Linux", "gpu": "amd"},
            "no live bot has gpu=amd among the 4 bots of pool default; 3 bots lack only gpu=amd",
        ),
        (
            {"os": "Windows"},
            "no live bot has os=Windows among the 4 bots of pool default; 1 bot with all of it is dead",
        ),
        ({"pool": "empty"}, "no bot is in pool empty"),
        ({"pool": "old"}, "1 bot of pool old: all dead"),
        ({"id": "nobody"}, "there is no bot nobody"),
        ({"id": "bot1", "os": "Mac"}, "bot bot1 lacks os=Mac"),
        ({"id": "dead"}, "bot dead is dead"),
    ],
)
def test_the_reason_names_what_is_missing_and_what_comes_nearest(dimensions, words):
    capacity = known(
        a_bot("bot1", os=("Linux",), gpu=("nvidia",)),
        a_bot("bot2", os=("Linux",), gpu=("nvidia",)),
        a_bot("bot3", os=("Linux",)),
        a_bot("bot4", os=("Mac",)),
        SeenBot("dead", a_bot("dead", os=("Windows",)).dimensions, LONG_BEFORE),
        SeenBot("old", {"id": ("old",), "pool": ("old",)}, LONG_BEFORE),
    )

    assert shortfall(capacity, asked(**dimensions), LONG_BEFORE) == words
