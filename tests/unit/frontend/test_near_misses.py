"""Which bots nearly match a task, and what they lack."""

from collections.abc import Sequence

import pytest

from swarming_frontend.explanation.bot_words import near_miss_text
from swarming_frontend.explanation.matching_bots import look_over
from swarming_frontend.explanation.situation import FleetBot
from tests.unit.frontend.situations import BUSY, DEAD, IDLE, asked, bot, bots


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


def test_a_task_for_a_bots_id_is_compared_with_that_bot_alone():
    assert misses(bots(5), id="bot-2", os="Windows") == ["1 bot matches all but os=Windows; it has os=Linux"]
    assert misses(bots(5), id="bot-9") == []


def test_dead_bots_and_bots_without_anything_in_common_are_no_near_misses():
    assert misses([bot("dead", DEAD), bot("else", pool="other")], os="Windows") == []


def test_there_are_at_most_five_groups():
    fleet = [bot(key, IDLE, **{other: "1" for other in "abcdefgh" if other != key}) for key in "abcdefgh"]

    assert len(misses(fleet, **dict.fromkeys("abcdefgh", "1"))) == 5


def test_ten_thousand_bots_are_looked_over_for_each_slice():
    fleet = [bot(f"bot-{n}", BUSY, cpu=["x86", f"x86-{n % 50}"], rack=str(n % 300)) for n in range(10_000)]
    slices = [asked(os="Windows", cpu="x86-7"), asked(os="Linux", cpu="x86-7"), asked(os="Linux")]

    found = look_over(fleet, slices)

    assert [one.usable for one in found] == [0, 200, 10_000]
    assert found[0].near_misses[0].count == 200
    assert len(found[2].sample) == 50
