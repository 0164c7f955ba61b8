"""Who may work, and how long the others sleep."""

import pytest

from swarming_botgateway.health import sleep_seconds
from swarming_common.database import tables
from swarming_common.hints.scheduler import OfferMade
from tests.unit.botgateway.world import Bot

IDLE = {"running_time": 1, "sleep_streak": 0}


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"state": IDLE | {"quarantined": "disk is full"}}, "disk is full"),
        ({"dimensions": {"id": ["bot1"], "pool": ["p"], "quarantined": ["1"]}}, "1"),
        ({"state": {"running_time": 1}}, "state.sleep_streak: expected a value"),
        ({"state": None}, "state: expected a value"),
        ({"version": None}, "version: expected a value"),
        ({"dimensions": {"id": ["bot1"]}}, "dimensions.pool: expected at least one value"),
        ({"dimensions": {"id": ["bot1"], "pool": ["a:b"]}}, "dimensions.pool: expected no ':' in it"),
        ({"dimensions": {"id": ["bot1"], "pool": ["p"], "os": []}}, "dimensions.os: expected a list"),
        ({"dimensions": {"id": ["bot1"], "pool": ["p"], "os": ["a", "a"]}}, "dimensions.os: expected each"),
        ({"dimensions": {"id": ["bot1"], "pool": ["p"], "9x": ["a"]}}, "dimensions: expected keys of"),
    ],
)
async def test_a_broken_bot_is_quarantined_and_sleeps(world, changed, reason):
    bot = await world.a_connected_bot()

    answer = (await world.post("poll", bot.poll_body() | changed)).json()

    assert (answer["cmd"], answer["quarantined"]) == ("sleep", True)
    assert answer["duration"] in (1.0, 1.5)
    [row] = await world.rows(tables.bot)
    assert row.quarantined.startswith(reason)
    assert world.of_kind(OfferMade) == []


async def test_a_bot_that_is_well_again_leaves_quarantine(world):
    bot = await world.a_connected_bot()
    await world.post("poll", bot.poll_body() | {"state": {}})

    await world.held_poll(bot)

    [row] = await world.rows(tables.bot)
    assert row.quarantined is None


async def test_a_bot_in_maintenance_sleeps_and_is_not_quarantined(world):
    bot = await world.a_connected_bot()
    bot.state = IDLE | {"maintenance": "new disk"}

    answer = await world.start_poll(bot)

    assert (answer["cmd"], answer["quarantined"]) == ("sleep", False)
    [row] = await world.rows(tables.bot)
    assert (row.maintenance, row.quarantined) == ("new disk", None)


async def test_a_broken_bot_can_still_shake_hands_and_is_known(world):
    bot = Bot("bot1")
    bot.dimensions = {"id": ["bot1"], "os": "Linux"}

    await world.shake_hands(bot)

    [row] = await world.rows(tables.bot)
    assert row.dimensions == {"id": ["bot1"]}
    assert row.quarantined == "dimensions.os: expected a list of at least one string"


def test_sleep_grows_with_the_streak_up_to_the_longest():
    sleeps = [sleep_seconds({"sleep_streak": streak}, 60.0, 0.5) for streak in range(12)]

    assert [round(one, 1) for one in sleeps] == [1.5, 2.2, 3.4, 5.1, 7.6, 11.4, 17.1, 25.6, 38.4, 57.7, 60, 60]


def test_now_and_then_sleep_is_short():
    assert sleep_seconds({"sleep_streak": 9}, 60.0, 0.04) == 1.0


@pytest.mark.parametrize("streak", [None, "x", -5, float("nan"), [], 10**400])
def test_a_strange_streak_is_no_trouble(streak):
    assert 1.5 <= sleep_seconds({"sleep_streak": streak}, 60.0, 0.5) <= 60.0
