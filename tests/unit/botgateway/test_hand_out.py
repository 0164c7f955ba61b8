"""A run is handed out safely: who is offered where, what is declined, and what is left unsaid."""

import asyncio

import pytest

from swarming_botgateway import offers as offers_module
from swarming_botgateway import roll_call as roll_call_module
from swarming_common.database import tables
from swarming_common.hints.scheduler import BidAccepted, OfferMade, OffersHeld, OfferWithdrawn, RunDeclined
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.unit.botgateway.world import DEFAULT_SHARD, a_run_id, a_world, some_settings

OTHER_POOL = next(pool for pool in map(str, range(100)) if shard_of_pool(pool) != DEFAULT_SHARD)
OTHER_SHARD = shard_of_pool(OTHER_POOL)
PARTING = some_settings(hold_seconds=0.01).model_copy(update={"parting_seconds": DEADLINE_SECONDS})
"""Longer than an installation may choose, so that it does not end before a test has looked."""
THIRD_SHARD = next(number for number in range(16) if number not in (DEFAULT_SHARD, OTHER_SHARD))


def tasks_wait_in_both(world, offer) -> None:
    for shard in (DEFAULT_SHARD, OTHER_SHARD):
        world.say_alive({offer.gateway_id: 1}, shard=shard, has_pending=True)


async def test_a_bot_is_offered_to_the_shard_of_each_of_its_pools(world):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))

    poll, offer = await world.held_poll(bot)
    other = (await world.hint(OfferMade, OTHER_SHARD)).offer

    assert not poll.done()
    assert offer == other
    assert (offer.bot_id, offer.bot_version) == ("bot1", "v1")
    assert offer.dimensions == {key: tuple(values) for key, values in bot.dimensions.items()}


@pytest.mark.parametrize("others_priority", [100, 20])
async def test_of_two_shards_bids_the_more_urgent_or_else_the_older_is_accepted_and_only_that_shard_assigns(
    world, others_priority
):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    poll, offer = await world.held_poll(bot)
    default, other = await world.a_run("bot1"), await world.a_run("bot1", shard=OTHER_SHARD)
    tasks_wait_in_both(world, offer)

    world.bid(offer, (100, default.task_id))
    world.bid(offer, (others_priority, other.task_id), OTHER_SHARD)
    world.bid(offer, (100, default.task_id))

    ranks = {DEFAULT_SHARD: (100, default.task_id), OTHER_SHARD: (others_priority, other.task_id)}
    winner, loser = sorted(ranks, key=lambda shard: ranks[shard])
    accepted = await world.hint(BidAccepted, winner)
    assert accepted == BidAccepted(offer_id=offer.offer_id, bot_id="bot1", next_best=ranks[loser])
    assert world.of_kind(BidAccepted, loser) == []
    world.assign(offer, other if winner == OTHER_SHARD else default, winner)
    assert (await poll)["manifest"]["task_id"] == str(other if winner == OTHER_SHARD else default)
    assert (await world.hint(OfferWithdrawn, loser)).offer_id == offer.offer_id
    assert world.of_kind(OfferWithdrawn, winner) == []


async def test_a_shard_in_which_tasks_wait_is_not_waited_for_for_long(world):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    _, offer = await world.held_poll(bot)
    tasks_wait_in_both(world, offer)

    world.bid(offer, (100, a_run_id().task_id))

    assert (await world.hint(BidAccepted)).next_best is None


async def test_a_shard_that_has_nothing_for_the_bot_is_not_waited_for(world, monkeypatch):
    monkeypatch.setattr(offers_module, "CHOICE_SECONDS", DEADLINE_SECONDS * 2)
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    _, offer = await world.held_poll(bot)
    tasks_wait_in_both(world, offer)

    world.bid(offer, (100, a_run_id().task_id))
    world.bid(offer, None, OTHER_SHARD)

    assert (await world.hint(BidAccepted)).next_best is None


async def test_when_the_best_bid_is_void_the_next_is_accepted(world):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    _, offer = await world.held_poll(bot)
    first, second = (20, a_run_id().task_id), (100, a_run_id().task_id)
    tasks_wait_in_both(world, offer)
    world.bid(offer, second, OTHER_SHARD)
    world.bid(offer, first)
    assert (await world.hint(BidAccepted)).next_best == second

    world.bid(offer, None)

    assert (await world.hint(BidAccepted, OTHER_SHARD)).next_best is None


async def test_a_shard_that_does_not_assign_is_not_waited_for_for_long(world, monkeypatch):
    monkeypatch.setattr(offers_module, "ACCEPTED_SECONDS", 0.01)
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    _, offer = await world.held_poll(bot)
    tasks_wait_in_both(world, offer)
    world.bid(offer, (20, a_run_id().task_id))
    world.bid(offer, (100, a_run_id().task_id), OTHER_SHARD)

    await world.hint(BidAccepted)

    await world.hint(BidAccepted, OTHER_SHARD)


async def test_a_repeated_bid_is_accepted_again(world):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    _, offer = await world.held_poll(bot)
    rank = (100, a_run_id().task_id)
    world.bid(offer, rank)
    first = await world.hint(BidAccepted)

    world.bid(offer, rank)
    await world.turn()

    assert world.of_kind(BidAccepted) == [first, first]


async def test_a_bid_for_an_offer_that_has_ended_is_answered_with_its_withdrawal(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0.01)) as world:
        bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
        poll, offer = await world.held_poll(bot)
        assert (await poll)["cmd"] == "sleep"
        before = world.of_kind(OfferWithdrawn)

        world.bid(offer, (100, a_run_id().task_id))
        await world.turn()

        assert len(world.of_kind(OfferWithdrawn)) == len(before) + 1
        assert world.of_kind(BidAccepted) == []


async def test_a_bot_in_one_shards_pools_is_offered_without_a_question(world):
    bot = await world.a_connected_bot()

    _, offer = await world.held_poll(bot)

    assert not offer.wants_bid


async def test_a_run_that_comes_when_another_was_taken_is_declined(world):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    poll, offer = await world.held_poll(bot)
    first, second = await world.a_run("bot1"), await world.a_run("bot1", shard=OTHER_SHARD)
    world.say_alive({offer.gateway_id: 1}, shard=OTHER_SHARD, has_pending=True)
    world.say_alive({offer.gateway_id: 1}, shard=OTHER_SHARD, has_pending=False)

    world.assign(offer, first)
    assert (await poll)["manifest"]["task_id"] == str(first)
    world.assign(offer, second, shard=OTHER_SHARD)

    assert (await world.hint(RunDeclined, OTHER_SHARD)).task_id == second.task_id


async def test_a_repeated_assignment_is_ignored(world):
    bot = await world.a_connected_bot()
    poll, offer = await world.held_poll(bot)
    run = await world.a_run("bot1")

    world.assign(offer, run)
    await poll
    world.assign(offer, run)
    await world.turn()

    assert world.of_kind(RunDeclined) == []


async def test_a_run_for_an_offer_that_was_answered_sleep_is_declined(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0.01)) as world:
        bot = await world.a_connected_bot()
        poll, offer = await world.held_poll(bot)
        assert (await poll)["cmd"] == "sleep"

        world.assign(offer, a_run_id())

        assert (await world.hint(RunDeclined)).offer_id == offer.offer_id
        assert (await world.hint(OfferWithdrawn)).offer_id == offer.offer_id


async def test_a_run_that_is_given_as_the_hold_ends_still_reaches_the_bot(sqlite_folder):
    async with a_world(sqlite_folder, PARTING) as world:
        poll, offer = await world.held_poll(await world.a_connected_bot())
        withdrawn = await world.hint(OfferWithdrawn)

        world.assign(offer, await world.a_run("bot1"))

        assert (await poll)["cmd"] == "run"
        assert withdrawn.offer_id == offer.offer_id
        await world.turn()
        assert (world.of_kind(RunDeclined), len(world.of_kind(OfferWithdrawn))) == ([], 1)


async def test_a_poll_whose_offer_was_taken_back_is_no_wrong_count(sqlite_folder, monkeypatch):
    monkeypatch.setattr(roll_call_module, "SETTLING_SECONDS", DEADLINE_SECONDS)
    async with a_world(sqlite_folder, PARTING) as world:
        poll, offer = await world.held_poll(await world.a_connected_bot())
        world.say_alive({offer.gateway_id: 1})
        await world.hint(OffersHeld)
        await world.hint(OfferWithdrawn)

        for count in (1, 0, 1, 0):
            world.say_alive({offer.gateway_id: count})
        world.say_alive({}, epoch=2)

        await world.hint(OffersHeld, number=1)
        assert len(world.of_kind(OffersHeld)) == 2  # one for each epoch
        assert not poll.done()


async def test_of_an_offer_that_it_does_not_know_the_gateway_says_nothing(world):
    bot = await world.a_connected_bot()
    poll, offer = await world.held_poll(bot)

    world.assign(offer.model_copy(update={"offer_id": "of another life"}), a_run_id())
    await world.turn()

    assert world.of_kind(RunDeclined) == []
    assert not poll.done()


async def test_what_an_offer_ended_with_is_forgotten_after_a_while(world, monkeypatch):
    monkeypatch.setattr(offers_module, "REMEMBER_SECONDS", 0.0)
    bot = await world.a_connected_bot()
    _, old = await world.held_poll(bot)
    await world.held_poll(bot)
    await world.held_poll(bot)

    world.assign(old, a_run_id())
    await world.turn()

    assert world.of_kind(RunDeclined) == []


async def test_a_run_for_a_closed_connection_is_declined(world):
    bot = await world.a_connected_bot()
    hang_up = asyncio.Event()
    poll = asyncio.create_task(world.post_until(hang_up, "poll", bot.poll_body()))
    offer = (await world.hint(OfferMade)).offer

    hang_up.set()
    await world.hint(OfferWithdrawn)
    world.assign(offer, a_run_id())

    assert (await world.hint(RunDeclined)).offer_id == offer.offer_id
    await poll


async def test_a_connection_that_closes_as_its_answer_is_sent_leaves_the_run_undeclined(world):
    bot = await world.a_connected_bot()
    hang_up = asyncio.Event()
    poll = asyncio.create_task(world.post_until(hang_up, "poll", bot.poll_body()))
    offer = (await world.hint(OfferMade)).offer
    run = await world.a_run("bot1")

    world.assign(offer, run)
    hang_up.set()
    await poll
    world.assign(offer, run)
    await world.turn()

    assert world.of_kind(RunDeclined) == []


async def test_a_second_poll_of_a_bot_ends_its_first(world):
    bot = await world.a_connected_bot()
    first, old = await world.held_poll(bot)

    second, new = await world.held_poll(bot)

    assert (await first)["duration"] == 0
    assert not second.done()
    assert (await world.hint(OfferWithdrawn)).offer_id == old.offer_id != new.offer_id


async def test_a_bot_with_an_unconfirmed_run_is_offered_to_that_runs_shard_only(world):
    bot = await world.a_connected_bot(pools=("default", OTHER_POOL))
    run = await world.a_run("bot1", shard=THIRD_SHARD)

    poll, offer = await world.held_poll(bot, THIRD_SHARD)
    world.assign(offer, run, shard=THIRD_SHARD)

    assert (await poll)["manifest"]["task_id"] == str(run)
    assert world.of_kind(OfferMade, DEFAULT_SHARD) == world.of_kind(OfferMade, OTHER_SHARD) == []


@pytest.mark.parametrize("over", [{"revoked": True}, {"state": int(TaskState.COMPLETED)}, {"bot_id": "bot2"}])
async def test_a_run_that_is_over_does_not_bind_the_bot(world, over):
    bot = await world.a_connected_bot()
    await world.a_run("bot1", shard=THIRD_SHARD, **over)

    await world.held_poll(bot, DEFAULT_SHARD)

    assert world.of_kind(OfferMade, THIRD_SHARD) == []


async def test_a_bot_that_reported_its_end_is_offered_everywhere_before_the_scheduler_says_so(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1", shard=THIRD_SHARD)
    await world.update(bot, run)
    await world.update(bot, run, exit_code=0, duration=1)

    await world.held_poll(bot, DEFAULT_SHARD)

    assert world.of_kind(OfferMade, THIRD_SHARD) == []


async def test_a_poll_of_a_bot_with_an_unfinished_run_is_held_for_a_short_while_only(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(unfinished_hold_seconds=0.01)) as world:
        bot = await world.a_connected_bot()
        await world.a_run("bot1")

        answer = await world.start_poll(bot)

    assert answer["cmd"] == "sleep"


async def test_stopping_answers_held_polls_and_holds_no_more(world):
    bot = await world.a_connected_bot()
    poll, offer = await world.held_poll(bot)

    world.ports.stopping.set()

    assert await poll == {"cmd": "sleep", "duration": 0, "quarantined": False, "session": bot.session}
    assert (await world.hint(OfferWithdrawn)).offer_id == offer.offer_id
    assert (await world.start_poll(bot))["duration"] == 0
    assert len(world.of_kind(OfferMade)) == 1
    assert (await world.http.get("/readyz")).status_code == 503


async def test_ten_bots_each_get_the_run_that_was_meant_for_them(world):
    bots = [await world.a_connected_bot(f"bot{number}") for number in range(10)]
    polls = [world.start_poll(bot) for bot in bots]
    await world.hint(OfferMade, number=9)
    offers = {made.offer.bot_id: made.offer for made in world.of_kind(OfferMade)}
    runs = {bot.bot_id: await world.a_run(bot.bot_id) for bot in bots}

    for bot_id, run in runs.items():
        world.assign(offers[bot_id], run)

    answers = await asyncio.gather(*polls)
    given = {answer["manifest"]["bot_id"]: answer["manifest"]["task_id"] for answer in answers}
    assert given == {bot_id: str(run) for bot_id, run in runs.items()}
    assert len(await world.rows(tables.bot)) == 10
