"""A run's last update asks for the next run: what it is answered, and that the update never suffers for it."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from swarming_botgateway.offers import HeldPoll, Offers
from swarming_botgateway.sessions import begin_session
from swarming_botgateway.usecases import next_run as next_run_module
from swarming_common.database import tables
from swarming_common.errors import DatabaseAway
from swarming_common.hints.gateway import RunAssigned
from swarming_common.hints.scheduler import Offer, OfferMade, OfferWithdrawn, RunDeclined, RunReported
from swarming_common.hints.wire import Hint
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.unit.botgateway.test_poll_decisions import NO_WORK, a_termination, quarantine, set_of
from tests.unit.botgateway.world import DEFAULT_SHARD, Bot, World, a_run_id, a_world, some_properties, some_settings

END = {"exit_code": 0, "duration": 1.5}


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next run is waited for until it comes, however slow the machine."""
    monkeypatch.setattr(next_run_module, "NEXT_RUN_SECONDS", DEADLINE_SECONDS)


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An offer for which nobody waits outlasts the test."""
    monkeypatch.setattr(next_run_module, "STANDING_SECONDS", 3 * DEADLINE_SECONDS)


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """An offer for which nobody waits ends soon, though not before a test has answered it."""
    monkeypatch.setattr(next_run_module, "STANDING_SECONDS", 0.2)


def open_offer(offers: Offers) -> HeldPoll:
    now = datetime.now(UTC)
    session, shards = begin_session("p/1", now, None), frozenset({DEFAULT_SHARD})
    return offers.open(bot_id="bot1", session=session, dimensions={}, bot_version="v1", idle_since=now, shards=shards)


def assigned_to(held: HeldPoll) -> RunAssigned:
    run = a_run_id()
    return RunAssigned(
        task_id=run.task_id,
        run_number=run.number,
        shard=DEFAULT_SHARD,
        offer_id=held.offer.offer_id,
        bot_id=held.offer.bot_id,
        properties=some_properties(),
        bot_ping_tolerance_secs=600,
    )


async def ends(world: World, bot: Bot, run: RunId, **more: Any) -> dict[str, Any]:
    """The answer to the last update of a run that asks for the next."""
    response = await world.update(bot, run, **END, **({"next_poll": bot.poll_body()} | more))
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def held_end(
    world: World, bot: Bot, run: RunId, shard: int = DEFAULT_SHARD
) -> tuple["asyncio.Task[dict[str, Any]]", Offer]:
    """The same while it waits, and the offer that this shard got."""
    seen = len(world.of_kind(OfferMade, shard))
    update = asyncio.create_task(ends(world, bot, run))
    return update, (await world.hint(OfferMade, shard, number=seen)).offer


def no_next_run(bot: Bot) -> dict[str, Any]:
    return {"ok": True, "must_stop": False, "session": bot.session}


async def test_our_own_bots_hear_at_the_handshake_that_they_may_ask_and_others_hear_nothing_new(world):
    own, other = Bot("bot1"), Bot("bot2")
    own.state["bot_code"] = {"updates": False}

    answers = [(await world.shake_hands(bot)).json() for bot in (own, other)]

    assert answers[0]["next_poll"] is True
    assert "next_poll" not in answers[1]


async def test_the_next_run_comes_with_the_answer_to_the_last_update(world, patient):
    bot = await world.a_connected_bot()
    update, offer = await held_end(world, bot, await world.a_run("bot1"))
    following = await world.a_run("bot1")

    world.assign(offer, following)

    answer = await update
    manifest = answer["next"].pop("manifest")
    assert answer == no_next_run(bot) | {"next": {"cmd": "run"}}
    assert manifest["task_id"] == str(following)
    assert offer.dimensions == {key: tuple(values) for key, values in bot.dimensions.items()}


async def test_the_end_of_a_run_is_written_and_told_before_its_bot_is_offered(world, patient):
    bot = await world.a_connected_bot()
    update, offer = await held_end(world, bot, await world.a_run("bot1"))

    kinds = await world.report_kinds()

    assert kinds == ["finished"]
    told = [type(hint) for hint in world.heard[DEFAULT_SHARD]]
    assert told == [RunReported, OfferMade]
    world.assign(offer, await world.a_run("bot1"))
    await update


async def test_without_a_next_run_the_update_is_answered_soon_and_the_bots_poll_replaces_the_offer(world, standing):
    bot = await world.a_connected_bot()
    update, old = await held_end(world, bot, await world.a_run("bot1"))

    assert await update == no_next_run(bot)
    assert world.of_kind(OfferWithdrawn) == []
    poll, new = await world.held_poll(bot)

    assert (await world.hint(OfferWithdrawn)).offer_id == old.offer_id != new.offer_id
    world.assign(new, await world.a_run("bot1"))
    assert (await poll)["cmd"] == "run"


async def test_a_run_that_comes_between_the_answer_and_the_poll_is_left_for_the_poll(world, standing):
    bot = await world.a_connected_bot()
    update, old = await held_end(world, bot, await world.a_run("bot1"))
    await update
    following = await world.a_run("bot1", shard=5)

    world.assign(old, following, shard=5)
    await world.turn()
    poll, new = await world.held_poll(bot, shard=5)
    world.assign(new, following, shard=5)

    assert (await poll)["manifest"]["task_id"] == str(following)
    assert world.of_kind(RunDeclined, 5) == []


async def test_once_the_poll_is_there_a_run_that_was_left_for_it_is_never_declined():
    sent: list[Hint] = []
    offers = Offers("gateway", lambda _, hint: sent.append(hint), lambda: 0.0)
    held = open_offer(offers)
    offers.leave(held)
    offers.assign(assigned_to(held))

    open_offer(offers)
    offers.end_left(held)

    assert [type(hint) for hint in sent] == [OfferMade, OfferMade]


async def test_a_run_that_comes_after_the_answer_is_declined_if_the_bot_does_not_poll(world, hasty):
    bot = await world.a_connected_bot()
    update, offer = await held_end(world, bot, await world.a_run("bot1"))
    await update
    following = await world.a_run("bot1")

    world.assign(offer, following)

    assert (await world.hint(RunDeclined)).task_id == following.task_id


async def test_a_bot_that_does_not_poll_after_its_last_update_is_not_offered_for_long(world, hasty):
    bot = await world.a_connected_bot()
    update, offer = await held_end(world, bot, await world.a_run("bot1"))
    await update

    assert (await world.hint(OfferWithdrawn)).offer_id == offer.offer_id
    world.assign(offer, a_run_id())
    assert (await world.hint(RunDeclined)).offer_id == offer.offer_id


async def test_a_bot_that_shuts_down_after_its_last_update_is_not_offered_any_more(world, standing):
    bot = await world.a_connected_bot()
    update, offer = await held_end(world, bot, await world.a_run("bot1"))
    await update

    await world.post("event", bot.word(session=bot.session, event="bot_shutdown", message="stopped"))

    assert (await world.hint(OfferWithdrawn)).offer_id == offer.offer_id


async def test_an_order_to_end_comes_with_the_answer_too(world, patient):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await set_of(world, is_told=False, **quarantine())
    order = await a_termination(world, shard=5)
    update, offer = await held_end(world, bot, run, shard=5)

    world.assign(offer, order, shard=5, properties=NO_WORK)

    assert (await update)["next"] == {"cmd": "terminate", "task_id": str(order)}


@pytest.mark.parametrize("unfit", [{"quarantined": "no space"}, {"maintenance": "cleaning"}, {"running_time": None}])
async def test_a_bot_that_may_not_work_hears_why_at_its_poll(world, unfit):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    bot.state |= unfit

    answer = await ends(world, bot, run)

    assert answer == no_next_run(bot)
    assert world.of_kind(OfferMade) == []
    assert (await world.start_poll(bot))["cmd"] == "sleep"


@pytest.mark.parametrize(
    ("session", "told"), [(None, "bot_restart"), ("0000000000ff-0123456789abcdef", None)], ids=["unknown", "superseded"]
)
async def test_a_bot_whose_session_does_not_hold_hears_that_at_its_poll(world, session, told):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    asks = bot.poll_body() | {"session": session}

    answer = await ends(world, bot, run, next_poll=asks)

    assert answer == no_next_run(bot)
    assert (await world.post("poll", asks)).json().get("cmd") == told


async def test_an_update_of_the_code_is_told_at_the_poll(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_updates="always")) as world:
        bot = await world.a_connected_bot()
        run = await world.a_run("bot1")

        answer = await ends(world, bot, run)

        assert answer == no_next_run(bot)
        assert (await world.start_poll(bot))["cmd"] == "update"
        assert [row.event_type for row in await world.rows(tables.bot_event)].count("request_update") == 1


async def test_what_a_person_sets_meanwhile_ends_the_wait(world, patient):
    bot = await world.a_connected_bot()
    update, _ = await held_end(world, bot, await world.a_run("bot1"))

    await set_of(world, **quarantine())

    assert await update == no_next_run(bot)


async def test_a_repeated_last_update_gets_the_run_whose_answer_was_lost(world, patient):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    lost, first = await held_end(world, bot, run)
    following = await world.a_run("bot1", shard=5)
    world.assign(first, following, shard=5)
    await lost

    again, second = await held_end(world, bot, run, shard=5)
    world.assign(second, following, shard=5)

    assert (await again)["next"]["manifest"]["task_id"] == str(following)
    assert len(world.of_kind(OfferMade)) == 1  # a bot with an unfinished run is offered to that run's shard alone
    assert len(world.of_kind(RunDeclined, 5)) == 0


async def test_a_repeated_last_update_takes_the_place_of_the_one_whose_connection_nobody_saw_close(world, patient):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    old, _ = await held_end(world, bot, run)
    new, offer = await held_end(world, bot, run)

    world.assign(offer, await world.a_run("bot1"))

    assert await old == no_next_run(bot)
    assert (await new)["next"]["cmd"] == "run"


async def test_a_killed_run_is_followed_by_the_next_one(world, patient):
    bot = await world.a_connected_bot()
    update, offer = await held_end(world, bot, await world.a_run("bot1", killing=True))

    world.assign(offer, await world.a_run("bot1"))

    assert (await update)["next"]["cmd"] == "run"


@pytest.mark.parametrize("not_its_run", [{"bot_id": "bot2"}, {"state": int(TaskState.COMPLETED)}])
async def test_a_bot_whose_update_is_refused_is_not_offered(world, not_its_run):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1", **not_its_run)

    answer = await ends(world, bot, run)

    assert (answer["ok"], "next" in answer) == (False, False)
    assert world.of_kind(OfferMade) == []


@pytest.mark.parametrize("wrong", [[], "poll", 7, True])
async def test_what_is_no_poll_at_all_is_refused_by_its_name(world, wrong):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    answer = await world.update(bot, run, **END, next_poll=wrong)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("next_poll: ")


async def test_only_the_last_update_of_a_run_may_ask(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    answer = await world.update(bot, run, next_poll=bot.poll_body())

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("next_poll: ")


@pytest.mark.parametrize(
    "strange",
    [
        {"dimensions": {"id": ["bot2"], "pool": ["default"]}},
        {"dimensions": {}},
        {"dimensions": None, "state": None, "version": None, "session": None},
        {"state": {"running_time": 1, "sleep_streak": 0, "user": "a\0b", "size": 2**70}},
    ],
)
async def test_a_strange_poll_does_not_cost_the_report(world, strange):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    answer = await ends(world, bot, run, next_poll=bot.poll_body() | strange)

    assert answer == no_next_run(bot)
    assert await world.report_kinds() == ["finished"]


async def test_a_database_that_is_away_by_then_does_not_cost_the_answer(world, monkeypatch):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    monkeypatch.setattr("swarming_common.database.group_commit.RETRY_SECONDS", ())

    async def away(*_, **__):
        raise DatabaseAway

    monkeypatch.setattr(world.ports.database, "read_hot", away)
    answer = await ends(world, bot, run)

    assert answer == no_next_run(bot)
    assert await world.report_kinds() == ["finished"]


async def test_a_stopping_gateway_does_not_wait_for_a_run(world, patient):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    update, _ = await held_end(world, bot, run)

    world.ports.stopping.set()

    assert await update == no_next_run(bot)
    assert await ends(world, bot, run) == no_next_run(bot)


async def test_a_run_for_a_bot_that_hung_up_is_declined(world, patient):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    hang_up = asyncio.Event()
    body = bot.update_body(run, **END, next_poll=bot.poll_body())
    update = asyncio.create_task(world.post_until(hang_up, f"task_update/{run}", body))
    offer = (await world.hint(OfferMade)).offer

    hang_up.set()

    assert (await world.hint(OfferWithdrawn)).offer_id == offer.offer_id
    world.assign(offer, await world.a_run("bot1"))
    assert (await world.hint(RunDeclined)).offer_id == offer.offer_id
    await update


async def test_an_update_without_it_is_answered_as_ever_and_its_bot_is_not_offered(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    answer = (await world.update(bot, run, **END)).json()

    assert answer == no_next_run(bot)
    await world.turn()
    assert world.of_kind(OfferMade) == []
    assert len(await world.rows(tables.run_report)) == 1
