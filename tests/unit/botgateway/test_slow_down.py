"""A bot that speaks without end is answered later and later, and nobody else is."""

import asyncio

from swarming_botgateway.slow_down import MAX_DELAY_SECONDS, MAX_DELAYED_CALLS, CallBudgets
from swarming_common.database import tables
from tests.unit.botgateway.upstream_bot import UpstreamBot, said
from tests.unit.botgateway.world import a_world, some_settings


class Time:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_answered_at_once_and_what_comes_after_it_at_the_rate():
    time = Time()
    budgets = CallBudgets(calls_per_second=20, burst=3, monotonic=time)

    delays = [budgets.delay_of_next(budgets.budget_of(b"bot1")) for _ in range(5)]

    assert delays == [0, 0, 0, 1 / 20, 2 / 20]
    assert budgets.delay_of_next(budgets.budget_of(b"bot2")) == 0
    time.now += 1
    assert budgets.delay_of_next(budgets.budget_of(b"bot1")) == 0


def test_a_bot_that_waits_for_its_answers_gets_the_rate_and_no_more():
    time = Time()
    budgets = CallBudgets(calls_per_second=20, burst=1, monotonic=time)
    budgets.delay_of_next(budgets.budget_of(b"bot1"))

    for _ in range(200):
        time.now += budgets.delay_of_next(budgets.budget_of(b"bot1")) + 0.001

    assert 9.9 < time.now - 100 < 10.3


def test_no_delay_is_longer_than_a_bot_reads_and_the_bot_recovers_from_any_flood():
    time = Time()
    budgets = CallBudgets(calls_per_second=20, burst=1, monotonic=time)

    assert max(budgets.delay_of_next(budgets.budget_of(b"bot1")) for _ in range(5000)) == MAX_DELAY_SECONDS
    time.now += MAX_DELAY_SECONDS + 1
    assert budgets.delay_of_next(budgets.budget_of(b"bot1")) == 0


async def test_a_delayed_call_is_answered_like_any_other(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_calls_burst=1, bot_calls_per_second=1000)) as world:
        bot = UpstreamBot(world)
        said(await bot.shake_hands())
        run = await world.a_run("bot1")

        answers = [said(await bot.update(run, b"x" * n, 0)) for n in range(1, 20)]

        assert all(one["ok"] for one in answers)
        assert await world.output(run) == {0: b"x" * 19}


async def test_an_update_with_nothing_in_it_writes_nothing(world):
    bot = UpstreamBot(world)
    said(await bot.shake_hands())
    run = await world.a_run("bot1")
    said(await bot.update(run))
    everything = [table for table in tables.metadata.sorted_tables if table.info.get("owner") == "botgateway"]
    before = [await world.rows(table) for table in everything]

    for _ in range(3):
        said(await bot.update(run))

    assert [await world.rows(table) for table in everything] == before


async def test_a_bot_that_does_not_wait_for_its_answers_is_told_to_try_again_later(sqlite_folder):
    settings = some_settings(bot_calls_burst=1, bot_calls_per_second=5)
    async with a_world(sqlite_folder, settings) as world:
        bot, other = UpstreamBot(world), UpstreamBot(world, "bot2")
        said(await bot.shake_hands())

        answers = await asyncio.gather(*(bot.event("bot_log", "hello") for _ in range(MAX_DELAYED_CALLS + 5)))

        assert sorted(one.status_code for one in answers) == [200] * MAX_DELAYED_CALLS + [429] * 5
        assert list(answers[-1].json()) == ["error"]
        said(await other.shake_hands())
