"""What a poll is answered, in the order of decisions: an order to end, a restart that was ordered, quarantine or
maintenance, a task."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from swarming_botgateway.bot_facts import AskedRestart
from swarming_botgateway.restart import RebootHost, RestartBot, RestartRules, restart_due, restart_ordered
from swarming_botgateway.sessions import begin_session
from swarming_botgateway.usecases.keep_standing import KeepStanding
from swarming_common.database import tables
from swarming_common.database.dialects import insert as upsert
from swarming_common.database.health import FRESH_SECONDS
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BotSettingChanged
from swarming_common.hints.scheduler import OfferMade, OfferWithdrawn, RunDeclined
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.unit.botgateway.world import World, a_run_id, a_world, some_properties, some_settings

NOW = datetime(2026, 7, 1, tzinfo=UTC)
PERSON = "user:someone@example.com"
NO_WORK = some_properties(command=(), dimensions=(("id", "bot1"),), execution_timeout_secs=0)


def quarantine(**more: Any) -> dict[str, Any]:
    return {"quarantined": "unfit", "quarantined_by": PERSON, "quarantined_ts": datetime.now(UTC), **more}


async def set_of(world: World, bot_id: str = "bot1", *, is_told: bool = True, **columns: Any) -> None:
    """What a frontend does when a person sets something."""

    def write(connection: Any) -> None:
        statement = upsert(connection, tables.bot_setting)
        statement = statement.on_conflict_do_update(index_elements=["bot_id"], set_=columns)
        connection.execute(statement, {"bot_id": bot_id, **columns})

    await world.ports.database.write(write)
    if is_told:
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotSettingChanged(bot_id=bot_id))


async def a_termination(world: World, bot_id: str = "bot1", shard: int = 5, **changed: Any) -> Any:
    """A request to end, as a frontend writes it."""
    run = a_run_id()
    row = {
        "task_id": run.task_id,
        "nonce": 1,
        "shard": shard,
        "created_ts": datetime.now(UTC),
        "expiration_ts": datetime.now(UTC) + timedelta(days=5),
        "name": "Terminate",
        "pool": None,
        "priority": 0,
        "user": "",
        "tags": ["swarming.terminate:1", f"id:{bot_id}"],
        "request": {},
    }
    await world.ports.database.write(lambda c: c.execute(insert(tables.task_request), row | changed))
    return run


async def event_types(world: World) -> list[str]:
    rows = await world.rows(tables.bot_event)
    return [row.event_type for row in sorted(rows, key=lambda row: row.created_ts)]


async def test_a_bot_that_a_person_quarantined_sleeps_and_is_offered_to_nobody(world):
    bot = await world.a_connected_bot()
    await set_of(world, **quarantine())

    answer = await world.start_poll(bot)

    assert (answer["cmd"], answer["quarantined"]) == ("sleep", True)
    assert answer["duration"] > 0
    assert world.of_kind(OfferMade) == []
    assert (await event_types(world)) == ["bot_connected", "bot_quarantined"]


async def test_a_waiting_bot_is_withdrawn_at_once(world):
    bot = await world.a_connected_bot()
    poll, offer = await world.held_poll(bot)

    await set_of(world, **quarantine())

    assert await poll == {"cmd": "sleep", "duration": 0, "quarantined": False, "session": bot.session}
    assert (await world.hint(OfferWithdrawn)).offer_id == offer.offer_id
    run = a_run_id()
    world.assign(offer, run)
    assert (await world.hint(RunDeclined)).task_id == run.task_id


async def test_a_setting_of_which_no_hint_told_holds_at_the_next_poll(world):
    bot = await world.a_connected_bot()
    await set_of(world, is_told=False, **quarantine())

    assert (await world.start_poll(bot))["quarantined"]


async def test_of_ten_who_notice_one_change_one_tells_it(world):
    bot = await world.a_connected_bot()
    await set_of(world, **quarantine())
    look = KeepStanding(world.ports.database).look

    await asyncio.gather(*(look("bot1", datetime.now(UTC)) for _ in range(9)), world.start_poll(bot))

    [row] = [row for row in await world.rows(tables.bot_event) if row.event_type == "bot_quarantined"]
    assert row.message == f"unfit (by {PERSON})"


async def test_a_quarantine_with_an_end_ends_by_itself_and_the_bot_sleeps_no_longer_than_that(world):
    bot = await world.a_connected_bot()
    bot.state["sleep_streak"] = 10
    until = datetime.now(UTC) + timedelta(seconds=DEADLINE_SECONDS)
    await set_of(world, is_told=False, **quarantine(quarantined_until_ts=until))

    asleep = await world.start_poll(bot)
    await set_of(world, is_told=False, quarantined_until_ts=NOW)

    assert asleep["cmd"] == "sleep"
    assert asleep["duration"] <= DEADLINE_SECONDS
    await world.held_poll(bot)
    assert await event_types(world) == ["bot_connected", "bot_quarantined", "bot_unquarantined"]


async def test_maintenance_is_no_quarantine(world):
    bot = await world.a_connected_bot()
    await set_of(world, maintenance="a new disk", maintenance_by=PERSON, maintenance_ts=NOW)

    answer = await world.start_poll(bot)

    assert (answer["cmd"], answer["quarantined"]) == ("sleep", False)
    assert (await event_types(world))[-1] == "bot_maintenance"


async def test_what_a_bot_says_of_itself_and_what_people_say_do_not_end_each_other(world):
    bot = await world.a_connected_bot()
    await set_of(world, is_told=False, **quarantine())
    bot.state["quarantined"] = "no space"
    await world.start_poll(bot)

    del bot.state["quarantined"]
    still = await world.start_poll(bot)
    bot.state["quarantined"] = "no space again"
    await set_of(world, is_told=False, quarantined=None)
    own = await world.start_poll(bot)

    assert (still["quarantined"], own["quarantined"]) == (True, True)


async def test_the_wording_of_a_reason_is_no_news(world):
    bot = await world.a_connected_bot()
    for free in ("1.9", "1.8", "1.7"):
        bot.state["quarantined"] = f"only {free} GiB free"
        await world.start_poll(bot)

    [row] = await world.rows(tables.bot)
    assert row.quarantined == "only 1.7 GiB free"
    assert (await event_types(world)).count("bot_quarantined") == 1


async def test_a_setting_outlives_the_bot(world):
    await set_of(world, is_told=False, **quarantine())

    bot = await world.a_connected_bot()

    assert await event_types(world) == ["bot_connected", "bot_quarantined"]
    assert (await world.start_poll(bot))["quarantined"]


async def test_a_quarantined_bot_is_told_to_end_and_offered_for_nothing_else(world):
    bot = await world.a_connected_bot()
    await set_of(world, is_told=False, **quarantine())
    run = await a_termination(world, shard=5)

    poll, offer = await world.held_poll(bot, shard=5)
    world.assign(offer, run, shard=5, properties=NO_WORK)

    assert offer.dimensions == {"id": ("bot1",)}
    assert (await poll) == {"cmd": "terminate", "task_id": str(run), "session": bot.session}


async def test_an_order_to_end_for_another_bot_or_from_long_ago_is_none(world):
    bot = await world.a_connected_bot()
    await set_of(world, is_told=False, **quarantine())
    await a_termination(world, bot_id="bot2")
    await a_termination(world, expiration_ts=NOW)

    assert (await world.start_poll(bot))["cmd"] == "sleep"


async def test_a_lost_order_to_end_is_given_again(world):
    bot = await world.a_connected_bot()
    await set_of(world, is_told=False, **quarantine())
    run = await a_termination(world, shard=5)
    await world.a_run("bot1", shard=5, task_id=run.task_id)

    poll, offer = await world.held_poll(bot, shard=5)
    world.assign(offer, run, shard=5, properties=NO_WORK)

    assert (await poll)["cmd"] == "terminate"


async def test_a_quarantined_bot_is_not_given_the_task_that_it_never_heard_of(world):
    bot = await world.a_connected_bot()
    await world.a_run("bot1")
    await set_of(world, is_told=False, **quarantine())

    assert (await world.start_poll(bot))["cmd"] == "sleep"
    assert world.of_kind(OfferMade) == []


async def test_a_bot_in_no_pool_is_still_offered_where_its_orders_to_end_are(world):
    bot = await world.a_connected_bot(pools=())
    shard = 0  # that of the pool ""
    run = await a_termination(world, shard=shard)

    poll, offer = await world.held_poll(bot, shard=shard)
    world.assign(offer, run, shard=shard, properties=NO_WORK)

    assert (await poll)["cmd"] == "terminate"


async def test_an_order_to_end_comes_before_a_restart_and_a_restart_before_a_task(world):
    bot = await world.a_connected_bot()
    later = datetime.now(UTC) + timedelta(seconds=1)
    await set_of(world, is_told=False, restart="a new kernel", restart_ts=later)
    answers = [await world.start_poll(bot), await world.start_poll(bot)]
    run = await a_termination(world, shard=5)

    poll, offer = await world.held_poll(bot, shard=5)
    world.assign(offer, run, shard=5, properties=NO_WORK)

    told = {"cmd": "bot_restart", "message": "a new kernel", "session": bot.session}
    assert answers == [told, told]
    assert (await poll)["cmd"] == "terminate"
    assert (await event_types(world)).count("request_restart") == 1


async def test_a_process_that_began_after_somebody_asked_is_not_restarted(world):
    await set_of(world, is_told=False, restart="a new kernel", restart_ts=NOW)
    bot = await world.a_connected_bot()

    await world.held_poll(bot)

    assert "request_restart" not in await event_types(world)


@pytest.mark.parametrize(
    ("state", "settings"),
    [({}, quarantine()), ({"quarantined": "a full disk"}, {}), ({"maintenance": "cleaning"}, {})],
    ids=["quarantined by people", "quarantined by itself", "in maintenance"],
)
async def test_a_restart_that_somebody_ordered_reaches_a_bot_that_may_not_work_once(world, state, settings):
    bot = await world.a_connected_bot()
    bot.state |= state
    await set_of(world, is_told=False, restart="why", restart_ts=datetime.now(UTC), **settings)

    told = await world.start_poll(bot)
    bot.process = "p/2"
    await world.shake_hands(bot)

    assert (told["cmd"], told["message"]) == ("bot_restart", "why")
    assert (await world.start_poll(bot))["cmd"] == "sleep"


async def test_a_bot_quarantined_after_failures_is_restarted_if_somebody_orders_it(world):
    bot = await world.a_connected_bot()
    later = datetime.now(UTC) + timedelta(seconds=1)
    await set_of(world, is_told=False, restart="why", restart_ts=later)
    failed = {"auto_quarantined": "5 internal failures in a row", "auto_quarantined_ts": datetime.now(UTC)}
    await world.ports.database.write(lambda c: c.execute(update(tables.bot).values(**failed)))

    assert (await world.start_poll(bot))["cmd"] == "bot_restart"


async def test_a_restart_by_age_waits_until_the_bot_may_work(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_restart_secs=10)) as world:
        bot = await world.a_connected_bot()
        bot.state |= {"running_time": 1e6, "quarantined": "a full disk"}

        assert (await world.start_poll(bot))["cmd"] == "sleep"


async def test_a_bot_whose_update_failed_is_restarted_once_it_need_not_update(world):
    """Upstream's bot keeps that quarantine in its process until it restarts."""
    bot = await world.a_connected_bot()
    bot.state["quarantined"] = "Failed to self-update the bot"

    told = await world.start_poll(bot)
    del bot.state["quarantined"]
    bot.process = "p/2"
    await world.shake_hands(bot)
    poll, _ = await world.held_poll(bot)

    assert (told["cmd"], "an update failed" in told["message"]) == ("bot_restart", True)
    assert not poll.done()


async def test_a_host_is_rebooted_only_where_somebody_chose_it(sqlite_folder):
    never = RestartRules(bot_secs=0, host_secs=0)
    assert restart_due("b", begin_session("p", NOW, None), {"uptime": 1e9}, never) is None

    async with a_world(sqlite_folder, some_settings(host_reboot_secs=1000)) as world:
        bot = await world.a_connected_bot()
        bot.state["uptime"] = 5000
        assert (await world.start_poll(bot))["cmd"] == "host_reboot"


def test_bots_that_began_together_restart_at_different_times():
    rules = RestartRules(bot_secs=1000, host_secs=0)
    session = begin_session("p", NOW, None)

    due = [restart_due(f"bot{n}", session, {"running_time": 1000}, rules) for n in range(200)]

    assert 50 < sum(one is not None for one in due) < 150
    assert all(restart_due(f"bot{n}", session, {"running_time": 1201}, rules) for n in range(200))
    assert not any(restart_due(f"bot{n}", session, {"running_time": 799}, rules) for n in range(200))


def test_an_uptime_that_is_none_restarts_nothing():
    rules = RestartRules(bot_secs=1, host_secs=1)
    session = begin_session("p", NOW, None)

    assert [restart_due("b", session, state, rules) for state in ({}, {"uptime": "long"}, {"running_time": True})] == [
        None
    ] * 3
    assert isinstance(restart_due("b", session, {"uptime": 9}, rules), RebootHost)
    asked = AskedRestart(reason="r", since=NOW + timedelta(seconds=1))
    assert restart_ordered(session, asked, None) == RestartBot("r")


async def test_a_bot_that_said_goodbye_is_away_until_its_next_handshake(world):
    bot = await world.a_connected_bot()

    await world.post("event", bot.word(session=bot.session, event="bot_shutdown", message="bye"))
    [away] = await world.rows(tables.bot)
    await world.a_connected_bot(process="new/2")
    [back] = await world.rows(tables.bot)

    assert away.shutdown_ts is not None
    assert back.shutdown_ts is None


async def test_the_goodbye_of_an_older_process_is_not_the_bots(world):
    old = await world.a_connected_bot(process="old/1")
    await world.a_connected_bot(process="new/2")

    await world.post("event", old.word(session=old.session, event="bot_shutdown", message="bye"))

    assert (await world.rows(tables.bot))[0].shutdown_ts is None


async def test_a_bot_that_polls_after_its_goodbye_is_there(world):
    bot = await world.a_connected_bot()
    await world.post("event", bot.word(session=bot.session, event="bot_shutdown", message="bye"))

    await world.held_poll(bot)

    assert (await world.rows(tables.bot))[0].shutdown_ts is None


async def test_the_error_of_a_bot_of_2015_is_in_its_history(world):
    good = await world.post("error", {"id": "old bot", "message": "it broke"})
    bad = await world.post("error", {"id": "old bot"})

    assert (good.status_code, good.json()) == (200, {})
    assert (bad.status_code, bad.json()["error"]) == (400, "message: expected a value, it is required")
    [row] = await world.rows(tables.bot_event)
    assert (row.bot_id, row.event_type, row.message) == ("old bot", "bot_error", "it broke")


async def test_the_ping_of_2015_is_answered_at_both_places(world):
    answers = [await world.http.get(path) for path in ("/server_ping", "/swarming/api/v1/bot/server_ping")]

    assert [one.status_code for one in answers] == [200, 200]


async def test_a_gateway_whose_database_cannot_be_written_is_not_ready(sqlite_folder):
    async with a_world(sqlite_folder) as world:
        before = await world.http.get("/readyz")
        await world.ports.database.close()
        await asyncio.sleep(FRESH_SECONDS)
        after = await world.http.get("/readyz")

    assert (before.status_code, before.json()["database"]) == (200, True)
    assert (after.status_code, after.json()["database"]) == (503, False)
    assert after.json()["wrong"]["database"] == "the database does not answer"
