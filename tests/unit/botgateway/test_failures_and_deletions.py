"""Bots that fail again and again, and bots that are to be forgotten."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from swarming_common.database import tables
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.gateway import BotCommandsGiven
from swarming_common.hints.wire import Hint
from swarming_common.model.commands import BotCommandKind
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.unit.botgateway.test_poll_decisions import PERSON, event_types, quarantine, set_of
from tests.unit.botgateway.world import Bot, World, a_world, some_settings

FAILURES = 3


@pytest.fixture
async def world(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_failures=FAILURES)) as world:
        yield world


async def fail(world: World, bot: Bot, times: int = 1, **more: Any) -> None:
    for _ in range(times):
        run = await world.a_run(bot.bot_id, started_ts=datetime.now(UTC))
        about = {"id": bot.bot_id, "task_id": str(run), "session": bot.session}
        answer = await world.post("task_error", {**about, "message": "no disk", **more})
        assert (answer.status_code, answer.json()) == (200, {})
        await world.change_run(run, state=80)


async def succeed(world: World, bot: Bot) -> None:
    run = await world.a_run(bot.bot_id, started_ts=datetime.now(UTC))
    assert (await world.update(bot, run, exit_code=1, duration=1)).json()["ok"]
    await world.change_run(run, state=112)


async def its_row(world: World) -> Any:
    [row] = await world.rows(tables.bot)
    return row


async def test_internal_failures_in_a_row_quarantine_a_bot(world):
    bot = await world.a_connected_bot()

    await fail(world, bot, FAILURES)

    row = await its_row(world)
    assert row.auto_quarantined == f"{FAILURES} internal failures in a row; the last: no disk"
    assert row.auto_quarantined_until_ts - row.auto_quarantined_ts == timedelta(hours=1)
    assert row.quarantined is None
    assert (await world.start_poll(bot))["quarantined"]
    assert await event_types(world) == ["bot_connected", "bot_quarantined"]


async def test_one_failure_less_does_not(world):
    bot = await world.a_connected_bot()

    await fail(world, bot, FAILURES - 1)

    await world.held_poll(bot)
    assert (await its_row(world)).auto_quarantined is None


async def test_a_run_that_ended_by_itself_breaks_the_row_whatever_its_exit_code(world):
    bot = await world.a_connected_bot()

    await fail(world, bot, FAILURES - 1)
    await succeed(world, bot)
    await fail(world, bot, FAILURES - 1)

    assert (await its_row(world)).auto_quarantined is None


@pytest.mark.parametrize(
    "missing",
    [
        {"missing_cas": [], "missing_cipd": [{"package_name": "p", "version": "1", "path": ""}]},
        {"missing_cas": [], "missing_cipd": [], "unreachable_data": [{"url": "http://files/a.zip"}]},
    ],
)
async def test_a_task_that_names_what_cannot_be_had_counts_neither_way(world, missing):
    bot = await world.a_connected_bot()

    await fail(world, bot, FAILURES, client_error=missing)
    not_yet = (await its_row(world)).auto_quarantined
    await fail(world, bot, FAILURES)

    assert not_yet is None
    assert (await its_row(world)).auto_quarantined is not None


async def test_the_same_failure_told_twice_counts_once(world):
    bot = await world.a_connected_bot()
    run = await world.a_run(bot.bot_id)

    for _ in range(FAILURES):
        await world.post("task_error", {"id": "bot1", "task_id": str(run), "session": bot.session, "message": "x"})

    assert (await its_row(world)).auto_quarantined is None


async def test_who_is_released_has_all_chances_again(world):
    bot = await world.a_connected_bot()
    await fail(world, bot, FAILURES)
    await set_of(world, cleared_by=PERSON, cleared_ts=datetime.now(UTC))

    await fail(world, bot, FAILURES - 1)
    poll, _ = await world.held_poll(bot)
    await fail(world, bot, 1)
    poll.cancel()

    assert (await world.start_poll(bot))["quarantined"]


async def test_after_its_end_one_more_failure_is_enough(world):
    bot = await world.a_connected_bot()
    await fail(world, bot, FAILURES)
    ended = update(tables.bot).values(auto_quarantined_until_ts=datetime.now(UTC))
    await world.ports.database.write(lambda c: c.execute(ended))
    poll, _ = await world.held_poll(bot)
    poll.cancel()

    await fail(world, bot)

    assert (await world.start_poll(bot))["quarantined"]


async def test_an_automatic_decision_leaves_a_persons_alone(world):
    bot = await world.a_connected_bot()
    await set_of(world, is_told=False, **quarantine())

    await fail(world, bot, FAILURES)

    [setting] = await world.rows(tables.bot_setting)
    assert (setting.quarantined, setting.quarantined_by) == ("unfit", PERSON)


async def test_0_failures_quarantine_nobody(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_failures=0)) as world:
        bot = await world.a_connected_bot()

        await fail(world, bot, 10)

        assert (await its_row(world)).auto_quarantined is None


async def give_delete(world: World, *, is_told: bool = True, **changed: Any) -> str:
    row = {
        "command_id": f"command {datetime.now(UTC)}",
        "kind": BotCommandKind.DELETE.value,
        "bot_id": "bot1",
        "arguments": {},
        "given_by": PERSON,
        "reply_to": "f1",
        "created_ts": datetime.now(UTC),
    } | changed
    await world.ports.database.write(lambda c: c.execute(insert(tables.command), row))
    if is_told:
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotCommandsGiven())
    return str(row["command_id"])


async def until_answered(world: World) -> list[Hint]:
    heard: list[Hint] = []
    mailbox = await world.ports.bus.open_mailbox(heard.append)
    await mailbox.listen(addresses.frontend("f1"))
    return heard


async def until_there_are(world: World, *bot_ids: str) -> None:
    """What a gateway does in the background is seen only in the tables."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        found = None
        while found != set(bot_ids):
            found = {row.bot_id for row in await world.rows(tables.bot)}


async def test_a_deleted_bot_is_gone_its_frontend_is_told_and_its_history_stays(world):
    heard = await until_answered(world)
    bot = await world.a_connected_bot()
    poll, _ = await world.held_poll(bot)

    command_id = await give_delete(world)

    assert (await poll)["cmd"] == "sleep"
    await world.turn()
    assert await world.rows(tables.bot) == []
    assert await event_types(world) == ["bot_connected", "bot_deleted"]
    assert heard == [CommandDone(command_id=command_id, ok=True)]


async def test_the_history_of_a_deleted_bot_keeps_what_was_known_of_it(world):
    await world.a_connected_bot()
    row = await its_row(world)

    await give_delete(world)

    await until_there_are(world)
    event = next(one for one in await world.rows(tables.bot_event) if one.event_type == "bot_deleted")
    assert (event.state, event.external_ip, event.last_seen_ts) == (row.state, row.external_ip, row.last_seen_ts)
    assert (event.dimensions, event.version) == (row.dimensions, row.version)
    assert row.state["running_time"] == 1
    assert row.external_ip


async def test_a_deleted_bot_that_polls_is_told_to_start_over_and_is_back(world):
    bot = await world.a_connected_bot()
    poll, _ = await world.held_poll(bot)
    await give_delete(world)
    await poll

    told = await world.start_poll(bot)
    await world.shake_hands(bot)

    assert told["cmd"] == "bot_restart"
    await world.held_poll(bot)


async def test_a_command_that_is_told_again_does_not_touch_the_bot_that_came_back(world):
    bot = await world.a_connected_bot()
    poll, _ = await world.held_poll(bot)
    await give_delete(world)
    await poll
    await world.shake_hands(bot)
    poll, _ = await world.held_poll(bot)
    await world.a_connected_bot("bot2")

    world.ports.bus.send(addresses.ALL_GATEWAYS, BotCommandsGiven())
    await give_delete(world, bot_id="bot2", command_id="later")

    await until_there_are(world, "bot1")
    assert not poll.done()


async def test_a_command_of_which_no_hint_told_is_found(sqlite_folder):
    async with a_world(sqlite_folder) as world:
        await world.a_connected_bot()
        await give_delete(world, is_told=False)

    async with a_world(sqlite_folder) as later:
        await until_there_are(later)


async def test_a_bot_that_lives_is_not_deleted_with_the_dead(world):
    await world.a_connected_bot("alive")
    bot = await world.a_connected_bot("gone")
    await world.post("event", bot.word(session=bot.session, event="bot_shutdown", message=""))
    unseen = {"unseen_since": (datetime.now(UTC) - timedelta(seconds=60)).isoformat()}

    for bot_id in ("alive", "gone"):
        await give_delete(world, bot_id=bot_id, arguments=unseen, command_id=bot_id, is_told=False)
    await give_delete(world, bot_id="gone", command_id="again")

    await until_there_are(world, "alive")


@pytest.mark.parametrize("strange", [{"kind": "paint_bot"}, {"arguments": {"unseen_since": "yesterday"}}])
async def test_a_command_that_makes_no_sense_harms_nobody(world, strange):
    await world.a_connected_bot()
    await world.a_connected_bot("bot2")

    await give_delete(world, **strange)
    await give_delete(world, bot_id="bot2", command_id="good")

    await until_there_are(world, "bot1")
