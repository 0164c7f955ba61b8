"""What bots fetch, and who is told to fetch it."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from swarming_botgateway.bootstrap import build
from swarming_botgateway.bot_code.build import build_zip, installed_package
from swarming_common.bot_code.archive import CONFIG, HOOKS, MAIN, pack, unpack, version_of
from swarming_common.bot_code.enrolment import digest_of
from swarming_common.database import tables
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BotFilesChanged
from tests.unit.botgateway.world import BASE, Bot, World, a_world, opened_ports, some_settings

UPSTREAM = pack({MAIN: b"print('upstream')", CONFIG: b"{}"})


async def upload(world: World, kind: str, version: int, content: bytes | None, **more: Any) -> None:
    """As a frontend does."""
    digest = None if content is None else hashlib.sha256(content).hexdigest()
    if kind == "bot_archive" and content is not None:
        digest = version_of(unpack(content))
    row: dict[str, Any] = {
        "kind": kind,
        "version": version,
        "content": content,
        "digest": digest,
        "uploaded_by": "user:a",
        "uploaded_ts": datetime.now(UTC),
        **more,
    }
    await world.ports.database.write(lambda c: c.execute(insert(tables.upload), row))


async def served(world: World) -> str:
    """The version that `/bot_code` serves once everything that was sent has been read."""
    answer = await world.http.get("/bot_code")
    assert answer.status_code == 200
    version = answer.headers["X-Swarming-Bot-Version"]
    assert version_of(unpack(answer.content)) == version
    return version


async def moved_on_from(world: World, version: str) -> str:
    for _ in range(500):
        if (now := await served(world)) != version:
            return now
        await world.turn()
    raise AssertionError("the code stayed the same")


async def test_the_zip_has_the_bot_its_hooks_and_the_public_address(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(public_url="https://swarming.example.org/")) as world:
        files = unpack((await world.http.get("/bot_code", headers={"Host": "evil.example"})).content)

        assert {MAIN, HOOKS, CONFIG, "swarming_bot/zip_command.py"} <= files.keys()
        assert b'"server": "https://swarming.example.org"' in files[CONFIG]


def test_the_same_inputs_make_the_same_zip():
    one, other = (build_zip(installed_package("http://a"), b"x = 1\n") for _ in range(2))

    assert (one.version, one.content) == (other.version, other.content)


def test_other_hooks_or_another_address_make_another_version():
    versions = {
        build_zip(installed_package(url), hooks).version for url in ("http://a", "http://b") for hooks in (b"", b"x")
    }

    assert len(versions) == 4


async def test_gateways_come_to_the_same_version_from_the_same_rows(sqlite_folder):
    async with (
        opened_ports(sqlite_folder) as ports,
        build(some_settings())(ports) as first,
        build(some_settings())(ports) as second,
    ):
        one, other = World(first, ports), World(second, ports)
        before = await served(one)

        await upload(one, "bot_config", 1, b"x = 1\n")
        ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())

        assert await moved_on_from(one, before) == await moved_on_from(other, before)
        await one.close()
        await other.close()


async def test_new_hooks_make_a_new_version_and_the_old_one_can_still_be_fetched(world):
    old = await served(world)

    await upload(world, "bot_config", 1, b"x = 1\n")
    world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
    new = await moved_on_from(world, old)

    for version in (old, new):
        answer = await world.http.get(f"{BASE}/bot_code/{version}")
        assert version_of(unpack(answer.content)) == version
        assert "max-age=3600" in answer.headers["Cache-Control"]
    assert unpack(answer.content)[HOOKS] == b"x = 1\n"


async def test_uploads_that_no_hint_told_are_found_all_the_same(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_code_seconds=0.02)) as world:
        old = await served(world)

        await upload(world, "bot_config", 1, b"x = 1\n")

        assert await moved_on_from(world, old)


@pytest.mark.parametrize("path", [f"{BASE}/bot_code/{'0' * 64}", f"{BASE}/bot_code/%00", "/get_slave_code/nothing"])
async def test_an_unknown_version_is_a_404_in_json(world, path):
    answer = await world.http.get(path)

    assert answer.status_code == 404
    assert answer.json() == {"error": "version: expected one that this server has served"}


async def test_the_path_of_2015_serves_the_same(world):
    assert (await world.http.get("/get_slave_code")).content == (await world.http.get("/bot_code")).content


async def test_an_uploaded_archive_is_served_instead_until_it_is_taken_away(world):
    built = await served(world)
    archive = pack({MAIN: b"print('upstream')", CONFIG: b"{}"})

    await upload(world, "bot_archive", 1, archive)
    world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
    uploaded = await moved_on_from(world, built)
    bot = await world.a_connected_bot()
    bot.version = uploaded
    poll, _ = await world.held_poll(bot)

    assert uploaded == version_of(unpack(archive))
    assert not poll.done()
    await upload(world, "bot_archive", 2, None)
    world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
    assert await moved_on_from(world, uploaded) == built


async def test_a_bot_with_code_of_this_server_is_told_at_a_poll_before_anything_else(world):
    old = await served(world)
    await upload(world, "bot_config", 1, b"x = 1\n")
    world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
    new = await moved_on_from(world, old)
    bot = await world.a_connected_bot()
    bot.version, bot.session = old, None
    bot.state = {"quarantined": "broken"}

    answer = (await world.post("poll", bot.poll_body())).json()

    assert answer == {"cmd": "update", "version": new}


async def test_a_held_poll_ends_when_there_is_new_code(world):
    old = await served(world)
    bot = await world.a_connected_bot()
    bot.version = old
    poll, _ = await world.held_poll(bot)

    await upload(world, "bot_config", 1, b"x = 1\n")
    world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())

    assert (await poll)["cmd"] == "sleep"
    answer = (await world.post("poll", bot.poll_body())).json()
    assert answer["cmd"] == "update"
    assert answer["version"] != old


async def test_an_update_is_in_the_bots_history_once_however_often_it_is_told(world):
    bot = await world.a_connected_bot()
    bot.state["bot_code"] = {"updates": True}

    for _ in range(2):
        assert (await world.post("poll", bot.poll_body())).json()["cmd"] == "update"

    events = [row for row in await world.rows(tables.bot_event) if row.event_type == "request_update"]
    assert [event.message for event in events] == [await served(world)]


async def test_a_bot_from_elsewhere_polls_and_works_as_it_is(world):
    bot = await world.a_connected_bot()

    poll, _ = await world.held_poll(bot)

    assert not poll.done()


async def test_with_the_rule_always_every_other_version_is_told(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_updates="always")) as world:
        bot = await world.a_connected_bot()

        assert (await world.post("poll", bot.poll_body())).json()["cmd"] == "update"


async def test_the_handshake_tells_which_version_is_expected(world):
    bot = Bot("bot1")
    bot.state["bot_code"] = {"updates": True}

    assert (await world.shake_hands(bot)).json()["bot_version"] == await served(world)


# --- an uploaded archive and its bots


async def a_bot_of_an_archive(world: World) -> Bot:
    """A bot of upstream's that runs the archive in force."""
    built = await served(world)
    await upload(world, "bot_archive", 1, UPSTREAM)
    world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
    bot = Bot("bot1")
    bot.version = await moved_on_from(world, built)
    await shake_hands(world, bot)
    return bot


async def shake_hands(world: World, bot: Bot) -> dict[str, Any]:
    """It repeats in its state what the handshake says of hooks."""
    greeted: dict[str, Any] = (await world.shake_hands(bot)).json()
    bot.state["bot_config"] = {"name": greeted["bot_config_name"], "revision": greeted["bot_config_rev"]}
    return greeted


async def told_of(world: World, bot: Bot, command: str) -> dict[str, Any]:
    """The answer to the first poll that is told this command; the gateway hears of uploads by a hint."""
    for _ in range(500):
        answer = (await world.post("poll", bot.poll_body())).json()
        if answer["cmd"] == command:
            return answer
        await world.turn()
    raise AssertionError(f"never told {command}")


@pytest.mark.parametrize("quarantined", [None, "the hooks are bad"])
async def test_bots_of_an_archive_fetch_new_hooks_by_a_restart_also_from_quarantine(sqlite_folder, quarantined):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0)) as world:
        bot = await a_bot_of_an_archive(world)
        if quarantined:
            bot.state["quarantined"] = quarantined
        before = bot.state["bot_config"]["revision"]

        await upload(world, "bot_config", 1, b"def get_state(bot):\n    return {'hooks': 1}")
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
        told = await told_of(world, bot, "bot_restart")
        bot.process = "p/2"
        greeted = await shake_hands(world, bot)
        hooks: dict[str, Any] = {}
        exec(greeted["bot_config"], hooks)

        assert (before, greeted["bot_config_rev"]) == ("0", "1")
        assert told["message"] == "There are other hooks: version 1 instead of 0."
        assert hooks["get_state"](None) == {"hooks": 1}
        assert "on_before_task" in hooks  # what bots without CIPD need is still there
        assert (await world.post("poll", bot.poll_body())).json()["cmd"] == "sleep"


async def test_the_revision_is_that_of_the_hooks_which_the_bot_has(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0)) as world:
        old = await served(world)
        await upload(world, "bot_config", 1, b"x = 1\n")
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
        new = await moved_on_from(world, old)
        revisions = {}
        for version in (old, new, "brought from elsewhere"):
            bot = Bot("bot1")
            bot.version = version
            revisions[version] = (await shake_hands(world, bot))["bot_config_rev"]

        assert revisions == {old: "0", new: "1", "brought from elsewhere": "0"}


@pytest.mark.parametrize(("replaces_bots", "command"), [(None, "sleep"), (True, "update")])
async def test_taking_an_archive_away_leaves_its_bots_unless_somebody_says_so(sqlite_folder, replaces_bots, command):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0)) as world:
        bot = await a_bot_of_an_archive(world)

        await upload(world, "bot_archive", 2, None, replaces_bots=replaces_bots)
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
        await moved_on_from(world, bot.version)

        assert (await world.post("poll", bot.poll_body())).json()["cmd"] == command


async def test_a_bot_that_could_not_take_a_bad_archive_restarts_once_the_archive_is_reverted(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0)) as world:
        bot = await a_bot_of_an_archive(world)
        await upload(world, "bot_archive", 2, pack({MAIN: b"raise SystemExit(1)"}))
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
        await told_of(world, bot, "update")
        bot.state["quarantined"] = "Failed to self-update the bot"
        still = (await world.post("poll", bot.poll_body())).json()

        await upload(world, "bot_archive", 3, UPSTREAM)
        world.ports.bus.send(addresses.ALL_GATEWAYS, BotFilesChanged())
        await told_of(world, bot, "bot_restart")

        assert still["cmd"] == "update"


# --- joining


async def a_token(world: World, lasting: timedelta = timedelta(hours=1)) -> str:
    now = datetime.now(UTC)
    row = {"digest": digest_of("secret"), "expires_ts": now + lasting, "created_by": "user:a", "created_ts": now}
    await world.ports.database.write(lambda c: c.execute(insert(tables.enrolment_token), row))
    return "secret"


async def test_the_bootstrap_script_knows_the_public_address_and_is_python(world):
    answer = await world.http.get("/bootstrap")

    assert answer.status_code == 200
    assert answer.text.startswith("host_url = 'http://localhost:8080'\nbootstrap_token = ''\n")
    compile(answer.text, "bootstrap.py", "exec")


async def test_an_uploaded_bootstrap_script_is_served_below_the_address(world):
    await upload(world, "bootstrap", 1, b"print(host_url)\n")

    lines = (await world.http.get("/bootstrap")).text.splitlines()

    assert lines == ["host_url = 'http://localhost:8080'", "bootstrap_token = ''", "print(host_url)"]


@pytest.mark.parametrize("path", ["/bootstrap", "/bot_code", "/get_slave_code"])
async def test_a_good_token_is_taken_and_any_other_refused(world, path):
    token = await a_token(world)

    assert (await world.http.get(path, params={"tok": token})).status_code == 200
    assert (await world.http.get(path, params={"tok": "guessed"})).status_code == 403


async def test_an_expired_token_is_refused_with_a_script_that_says_so(world):
    token = await a_token(world, timedelta(seconds=-1))

    answer = await world.http.get("/bootstrap", params={"tok": token})

    assert answer.status_code == 403
    with pytest.raises(SystemExit, match="expected a token of the last hour"):
        exec(answer.text)


async def test_an_installation_may_insist_on_tokens(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(enrolment_token_required=True)) as world:
        token = await a_token(world)

        assert (await world.http.get("/bot_code")).status_code == 403
        script = await world.http.get("/bootstrap", params={"tok": token})
        assert f"bootstrap_token = {token!r}" in script.text
        assert (await world.http.get("/bot_code", params={"tok": token})).status_code == 200
