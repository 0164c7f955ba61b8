"""The shards' knowledge of our offers is kept right."""

from swarming_botgateway import roll_call as roll_call_module
from swarming_common.hints.scheduler import OfferMade, OffersHeld
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS


async def test_a_new_epoch_is_told_all_offers(world):
    bot = await world.a_connected_bot()
    _, offer = await world.held_poll(bot)

    world.say_alive({}, epoch=1)
    first = await world.hint(OffersHeld)
    world.say_alive({offer.gateway_id: 1}, epoch=2)
    second = await world.hint(OffersHeld, number=1)

    assert first == second
    assert (second.gateway_id, second.offers) == (offer.gateway_id, (offer,))


async def test_many_offers_are_told_in_parts(world, monkeypatch):
    monkeypatch.setattr(roll_call_module, "OFFERS_IN_A_HINT", 2)
    bots = [await world.a_connected_bot(f"bot{number}") for number in range(3)]
    offers = [(await world.held_poll(bot))[1] for bot in bots]

    world.say_alive({})
    first, second = await world.hint(OffersHeld), await world.hint(OffersHeld, number=1)

    assert (*first.offers, *second.offers) == tuple(offers)
    assert (first.held, second.held) == (tuple(one.offer_id for one in offers), None)


async def test_a_wrong_count_is_mended_the_second_time(world, monkeypatch):
    monkeypatch.setattr(roll_call_module, "SETTLING_SECONDS", 0.0)
    _, offer = await world.held_poll(await world.a_connected_bot())
    world.say_alive({offer.gateway_id: 1})
    await world.hint(OffersHeld)

    world.say_alive({offer.gateway_id: 0})
    await world.turn()
    assert len(world.of_kind(OffersHeld)) == 1
    world.say_alive({offer.gateway_id: 0})

    assert (await world.hint(OffersHeld, number=1)).offers == (offer,)


async def test_a_right_count_between_two_wrong_ones_mends_nothing(world, monkeypatch):
    monkeypatch.setattr(roll_call_module, "SETTLING_SECONDS", 0.0)
    _, offer = await world.held_poll(await world.a_connected_bot())
    world.say_alive({offer.gateway_id: 1})
    await world.hint(OffersHeld)

    for count in (2, 1, 2, 1):
        world.say_alive({offer.gateway_id: count})
    await world.turn()

    assert len(world.of_kind(OffersHeld)) == 1


async def test_offers_made_or_ended_just_now_make_no_count_wrong(world, monkeypatch):
    monkeypatch.setattr(roll_call_module, "SETTLING_SECONDS", DEADLINE_SECONDS)
    bots = [await world.a_connected_bot(f"bot{number}") for number in range(2)]
    offers = [(await world.held_poll(bot))[1] for bot in bots]
    gateway_id = offers[0].gateway_id
    world.say_alive({gateway_id: 2})
    await world.hint(OffersHeld)

    await world.post("event", bots[0].word(session=bots[0].session, event="bot_shutdown", message=""))
    for count in (0, 0, 1, 2, 2):
        world.say_alive({gateway_id: count})
    await world.turn()

    assert len(world.of_kind(OffersHeld)) == 1


async def test_a_bus_that_came_back_is_told_all_offers(world):
    _, offer = await world.held_poll(await world.a_connected_bot())

    world.come_back()

    assert (await world.hint(OffersHeld)).offers == (offer,)
    other = next(number for number in world.heard if not world.of_kind(OfferMade, number))
    assert (await world.hint(OffersHeld, other)).offers == ()
