"""A bot that is too broken to say who it is, or how it is, still gets new code that may mend it."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from swarming_common.database import tables
from tests.unit.botgateway.world import BASE, Bot, World, a_world, some_settings

NAMELESS: list[Any] = [{}, None, [], {"id": []}, {"id": ["a", "b"]}, {"id": ["a:b"]}, {"id": "bot1"}, {"id": [1]}]


@pytest.fixture
async def updating(sqlite_folder: Path) -> AsyncIterator[World]:
    """Every bot of another version than the server's is told to update."""
    async with a_world(sqlite_folder, some_settings(bot_updates="always")) as world:
        yield world


async def send(world: World, path: str, body: dict[str, Any], sender: str | None = None) -> Any:
    headers = {} if sender is None else {"X-Luci-Swarming-Bot-ID": sender}
    return await world.http.post(f"{BASE}/{path}", json=body, headers=headers)


async def nothing_is_written(world: World) -> bool:
    return not [*await world.rows(tables.bot), *await world.rows(tables.bot_event)]


@pytest.mark.parametrize("dimensions", NAMELESS)
async def test_a_poll_that_names_no_bot_is_still_told_to_update(updating, dimensions):
    body = Bot("bot1").poll_body() | {"dimensions": dimensions}

    answer = await send(updating, "poll", body)

    assert (answer.status_code, answer.json()["cmd"]) == (200, "update")
    assert (await updating.http.get(f"{BASE}/bot_code/{answer.json()['version']}")).status_code == 200
    assert await nothing_is_written(updating)


@pytest.mark.parametrize("dimensions", NAMELESS)
async def test_a_handshake_that_names_no_bot_is_answered_so_that_it_polls_for_its_update(updating, dimensions):
    bot = Bot("bot1")

    answer = await send(updating, "handshake", bot.word(session_id=bot.process) | {"dimensions": dimensions})

    assert answer.status_code == 200
    assert answer.json()["bot_version"] != bot.version
    assert "session" not in answer.json()
    assert await nothing_is_written(updating)


@pytest.mark.parametrize("dimensions", NAMELESS)
@pytest.mark.parametrize("path", ["poll", "handshake", "event"])
async def test_without_an_update_a_word_that_names_no_bot_is_refused_by_name(world, path, dimensions):
    more = {"event": "bot_log", "message": "x"} if path == "event" else {}

    answer = await send(world, path, Bot("bot1").word(**more) | {"dimensions": dimensions})

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("dimensions")
    assert await nothing_is_written(world)


@pytest.mark.parametrize("dimensions", NAMELESS)
async def test_the_header_names_a_bot_whose_dimensions_do_not(world, dimensions):
    bot = await world.a_connected_bot()
    body = bot.poll_body() | {"dimensions": dimensions}

    answer = await send(world, "poll", body, sender="bot1")

    assert (answer.json()["cmd"], answer.json()["quarantined"]) == ("sleep", True)
    [row] = await world.rows(tables.bot)
    assert row.bot_id == "bot1"
    assert row.quarantined.startswith("dimensions")


async def test_a_bot_whose_dimensions_were_broken_from_the_start_is_known_by_the_header_and_can_complain(world):
    bot = Bot("bot1")
    bot.dimensions = {}

    session = (await send(world, "handshake", bot.word(session_id=bot.process), sender="bot1")).json()["session"]
    poll = await send(world, "poll", bot.poll_body() | {"session": session}, sender="bot1")
    event = {"session": session, "event": "bot_error", "message": "get_dimensions raised"}
    told = await send(world, "event", bot.word(**event), sender="bot1")

    assert (poll.json()["cmd"], poll.json()["quarantined"]) == ("sleep", True)
    assert told.status_code == 200
    assert {row.bot_id for row in await world.rows(tables.bot_event)} == {"bot1"}


async def test_the_header_never_outweighs_the_dimensions(world):
    await world.a_connected_bot("bot2")
    bot = await world.a_connected_bot("bot1", process="p/2")
    bot.state["quarantined"] = "unwell"

    await send(world, "poll", bot.poll_body(), sender="bot2")

    assert {row.bot_id: row.quarantined for row in await world.rows(tables.bot)} == {"bot1": "unwell", "bot2": None}


@pytest.mark.parametrize("sender", ["", "a:b", "x" * 257, "\N{LATIN SMALL LETTER E WITH ACUTE}"])
async def test_a_header_that_is_no_id_names_nobody(world, sender):
    headers = [(b"x-luci-swarming-bot-id", sender.encode())]

    answer = await world.http.post(f"{BASE}/poll", json=Bot("bot1").poll_body() | {"dimensions": {}}, headers=headers)

    assert answer.status_code == 400
    assert await nothing_is_written(world)


LIMIT, READ = 512 * 1024, 8 * 512 * 1024


async def test_a_bot_whose_state_has_grown_too_large_is_told_to_update(updating):
    bot = Bot("bot1")
    bot.state["mounts"] = ["x" * 1000] * 1000

    handshake = await updating.shake_hands(bot)
    poll = await send(updating, "poll", bot.poll_body())

    assert handshake.json()["bot_version"] != bot.version
    assert poll.json()["cmd"] == "update"


async def test_a_bot_whose_state_has_grown_too_large_is_quarantined_and_its_state_not_kept(world):
    bot = await world.a_connected_bot()
    bot.state |= {"mounts": ["x" * 1000] * 1000, "bot_code": {"updates": False, "rejected": "v9"}}
    bot.state["maintenance"] = "full"

    answer = await send(world, "poll", bot.poll_body())

    assert (answer.json()["cmd"], answer.json()["quarantined"]) == ("sleep", True)
    assert (await world.http.post(f"{BASE}/handshake", json=bot.word(session_id=bot.process))).status_code == 200
    [row] = await world.rows(tables.bot)
    assert row.quarantined.startswith(f"body: expected at most {LIMIT} bytes, got 10")
    assert row.dimensions == bot.dimensions
    assert row.maintenance == "full"
    assert set(row.state) == {*bot.state, "quarantined"} - {"mounts"}
    assert row.state["bot_code"] == {"updates": False, "rejected": "v9"}


async def test_a_bot_works_again_once_it_says_less(world):
    bot = await world.a_connected_bot()
    bot.state["mounts"] = ["x" * 1000] * 1000
    await send(world, "poll", bot.poll_body())
    del bot.state["mounts"]

    await world.held_poll(bot)

    [row] = await world.rows(tables.bot)
    assert row.quarantined is None


async def test_its_own_reason_is_told_too_as_far_as_it_fits(world):
    bot = await world.a_connected_bot()
    bot.state["quarantined"] = "Traceback " + "x" * LIMIT
    bot.state["bot_code"] = {"rejected": "x" * LIMIT}

    await send(world, "poll", bot.poll_body())

    [row] = await world.rows(tables.bot)
    assert row.quarantined.startswith("body: expected at most")
    assert ". Traceback xxx" in row.quarantined
    assert len(row.quarantined) == 20_000


async def test_of_dimensions_that_have_grown_too_large_the_id_is_kept(world):
    bot = await world.a_connected_bot()
    bot.dimensions["many"] = [str(number) for number in range(100_000)]

    answer = await send(world, "poll", bot.poll_body())

    assert (answer.json()["cmd"], answer.json()["quarantined"]) == ("sleep", True)
    [row] = await world.rows(tables.bot)
    assert row.dimensions == {"id": ["bot1"]}


@pytest.mark.parametrize("path", ["poll", "handshake", "event"])
async def test_what_is_over_any_limit_is_refused(world, path):
    answer = await send(world, path, Bot("bot1").word() | {"state": "x" * READ})

    assert (answer.status_code, answer.json()["error"]) == (413, f"body: expected at most {READ} bytes")


async def test_a_bot_whose_state_has_grown_too_large_still_tells_what_happened_to_it(world):
    bot = await world.a_connected_bot()
    bot.state["mounts"] = ["x" * 1000] * 1000

    answer = await send(world, "event", bot.word(session=bot.session, event="bot_error", message="get_state raised"))

    assert (answer.status_code, answer.json()) == (200, {})
    event = (await world.rows(tables.bot_event))[-1]
    assert (event.event_type, event.message) == ("bot_error", "get_state raised")
    assert "mounts" not in event.state
    assert event.quarantined.startswith("body: expected at most")


async def test_an_event_whose_message_is_over_the_limit_is_not_taken(world):
    answer = await send(world, "event", Bot("bot1").word(event="bot_log", message="x" * LIMIT))

    assert answer.status_code == 413
