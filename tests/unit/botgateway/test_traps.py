"""What breaks an upstream bot without a word, or makes it wait: each thing that bot-api.md warns of."""

import asyncio
import hashlib
import io
import json
import os
import zipfile
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from swarming_botgateway.bootstrap import build
from swarming_botgateway.settings import BotGatewaySettings
from swarming_common.database import tables
from swarming_common.hints.scheduler import OfferMade
from swarming_common.model.request import Cache
from tests.unit.botgateway.test_exchanges import given_a_run, goes_on, polling
from tests.unit.botgateway.upstream_bot import UpstreamBot, said
from tests.unit.botgateway.world import (
    BASE,
    World,
    a_run_id,
    a_world,
    encoded,
    opened_ports,
    some_properties,
    some_settings,
)

LARGEST_CHUNK = 250_000
READ_SECONDS = 60.0


@pytest.fixture
async def bot(world: World) -> UpstreamBot:
    bot = UpstreamBot(world)
    said(await bot.shake_hands())
    return bot


# --- transport


@pytest.mark.parametrize(
    "path",
    ["nothing", "claim", "rbe/session/create", "rbe/session/update", "poll/", "task_update/a/b", "handshake/", ""],
)
async def test_what_is_not_there_is_a_404_in_json_since_a_bot_retries_any_other_for_minutes(world, bot, path):
    answer = await bot.call(path, {})

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")
    assert "location" not in answer.headers
    assert isinstance(answer.json()["error"], str)


async def test_no_answer_is_empty_since_a_bot_takes_that_for_a_failure(world, bot):
    run, _ = await given_a_run(world, bot)
    answers = [
        await bot.shake_hands(),
        await bot.update(run),
        await bot.fail(run),
        await bot.event("bot_log", ""),
        await world.http.get(f"{BASE}/server_ping"),
        await bot.call("poll", {}),
        await bot.call("nothing", {}),
    ]

    assert all(one.content for one in answers)


@pytest.mark.parametrize("setting", ["hold_seconds", "unfinished_hold_seconds"])
def test_no_poll_can_be_held_for_longer_than_a_bot_reads(setting):
    assert BotGatewaySettings().hold_seconds <= 45

    assert some_settings(**{setting: 55}) is not None
    with pytest.raises(ValidationError, match=setting):
        some_settings(**{setting: READ_SECONDS})


async def test_a_poll_of_upstream_s_bot_is_held_for_a_shorter_time_than_one_of_ours(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(upstream_hold_seconds=0.01)) as world:
        ours, upstream = await world.a_connected_bot("ours"), await world.a_connected_bot("upstream")
        ours.state["bot_code"] = {}
        held, _ = await world.held_poll(ours)

        answer = await world.start_poll(upstream)

        assert (answer["cmd"], answer["duration"]) == ("sleep", 0.0)
        assert not held.done()


@pytest.mark.parametrize("route", ["handshake", "poll", "event", "task_update", "task_error"])
async def test_an_error_is_a_text_under_the_key_error(world, bot, route):
    answer = await bot.call(route, [])

    assert answer.status_code == 400
    assert list(answer.json()) == ["error"]


async def test_a_success_has_no_key_error(world, bot):
    run, _ = await given_a_run(world, bot)

    answers = [said(await bot.update(run)), said(await bot.shake_hands())]

    assert not any("error" in one for one in answers)


# --- the session


async def test_a_bot_that_was_never_given_a_session_says_null_and_is_understood(world, bot):
    run = await world.a_run("bot1")
    bot.session = None

    poll = said(await bot.poll())
    update = said(await bot.update(run))
    event = await bot.event("bot_log", "x")
    failure = await bot.fail(run)

    assert (poll["cmd"], "session" in poll) == ("bot_restart", False)
    assert update == {"ok": True, "must_stop": False}
    assert (event.content, failure.content) == (b"{}", b"{}")


async def test_an_error_of_a_task_is_answered_with_nothing_whatever_it_says(world, bot):
    """Not even a session: a key without `resp` beside it crashes the task runner, which reports the failure again."""
    run, _ = await given_a_run(world, bot)
    others = await world.a_run("bot2")

    answers = [await bot.fail(one) for one in (run, run, others, a_run_id())]

    assert [(one.status_code, one.content) for one in answers] == [(200, b"{}")] * 4


# --- the poll


async def test_a_repeated_poll_gets_the_same_task_again(world, bot):
    run = await world.a_run("bot1")
    poll, offer = await polling(world, bot)
    world.assign(offer, run)
    lost = (await poll).json()

    again = asyncio.create_task(bot.poll(request_uuid="8b2deb8a-ca9d-4327-bde3-b162964f02d7"))
    world.assign((await world.hint(OfferMade, number=1)).offer, run)

    assert said(await again) == lost


async def test_a_repeated_poll_gets_the_same_task_from_another_gateway(sqlite_folder):
    async with (
        opened_ports(sqlite_folder) as ports,
        build(some_settings())(ports) as first,
        build(some_settings())(ports) as second,
    ):
        world, elsewhere = World(first, ports), World(second, ports)
        await world.play_shards(16)
        bot = UpstreamBot(world)
        await bot.shake_hands()
        run, manifest = await given_a_run(world, bot)
        there = UpstreamBot(elsewhere)
        there.session, there.dimensions = bot.session, bot.dimensions

        again = asyncio.create_task(there.poll())
        world.assign((await world.hint(OfferMade, number=1)).offer, run)

        assert said(await again)["manifest"] == manifest
        await world.close()
        await elsewhere.close()


async def test_the_manifest_has_each_key_without_which_a_bot_says_nothing_more_of_its_task(world, bot):
    _, manifest = await given_a_run(world, bot, properties=some_properties(caches=(Cache(name="a", path="b"),)))

    required: dict[str, Any] = {
        "task_id": str,
        "bot_id": str,
        "bot_dimensions": dict,
        "dimensions": dict,
        "hard_timeout": int,
        "grace_period": int,
        "io_timeout": int,
    }
    assert {key: type(manifest[key]) for key in required} == required
    assert manifest["task_id"].endswith("1")
    assert manifest["caches"] == [{"name": "a", "path": "b", "hint": "0"}]


BROKEN: list[dict[str, Any]] = [
    {"dimensions": {"id": ["bot1"]}},
    {"dimensions": {"id": ["bot1"], "pool": ["default"], "a b": ["x"]}},
    {"dimensions": {"id": ["bot1"], "pool": ["default"], "quarantined": ["broken"]}},
    {"state": None},
    {"state": {}},
    {"state": {"running_time": 1}},
    {"state": {"running_time": 1, "sleep_streak": 0, "quarantined": ["a", "b"]}},
    {"version": None},
]


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_bot_is_answered_and_put_to_sleep(world, bot, broken):
    body = {"dimensions": bot.dimensions, "state": bot.state, "version": bot.version, "session": bot.session}

    answer = said(await bot.call("poll", {**body, "request_uuid": "u", **broken}))

    assert (answer["cmd"], answer["quarantined"]) == ("sleep", True)
    assert (await world.rows(tables.bot))[0].quarantined


@pytest.mark.parametrize("broken", BROKEN)
async def test_a_broken_bot_that_has_code_of_this_server_gets_the_update(sqlite_folder, broken):
    async with a_world(sqlite_folder, some_settings(bot_updates="always")) as world:
        bot = UpstreamBot(world)
        body = {"dimensions": bot.dimensions, "state": bot.state, "version": "old", "session": None}

        assert said(await bot.call("poll", {**body, "request_uuid": "u", **broken}))["cmd"] == "update"


# --- updates


async def test_an_update_of_the_largest_size_is_taken(world, bot):
    run, _ = await given_a_run(world, bot)
    content = os.urandom(LARGEST_CHUNK)

    assert said(await bot.update(run, content, 0)) == goes_on(bot)
    assert len(encoded(content)) == 333_336
    assert await world.output(run) == {0: content}


async def test_a_final_update_whose_answer_was_lost_is_taken_again(world, bot):
    run, _ = await given_a_run(world, bot)
    final = {"exit_code": 3, "duration": 1.25, "hard_timeout": False, "io_timeout": False}

    answers = [said(await bot.update(run, b"end", 0, **final)) for _ in range(3)]

    assert answers == [goes_on(bot)] * 3
    assert await world.output(run) == {0: b"end"}


# --- code and hooks


async def test_the_version_of_the_code_is_the_hash_that_the_bot_itself_works_out(world):
    answer = await world.http.get("/bot_code")
    digest = hashlib.sha256()
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        config = json.loads(archive.read("config/config.json"))
        assert "__main__.py" in archive.namelist()
        for name in sorted(archive.namelist()):
            content = archive.read(name)
            digest.update(str(len(name)).encode() + name.encode() + str(len(content)).encode() + content)

    assert answer.headers["X-Swarming-Bot-Version"] == digest.hexdigest()
    assert not config["server"].endswith("/")
    assert {key: type(value) for key, value in config.items()} == {
        "server": str,
        "server_version": str,
        "enable_ts_monitoring": bool,
    }


async def test_hooks_keep_an_upstream_bot_from_needing_cipd(world, bot, tmp_path):
    hooks: dict[str, Any] = {}
    exec(said(await bot.shake_hands())["bot_config"], hooks)
    command, environment = ["python3", "swarming_bot.1.zip", "task_runner", "--"], {"PATH": "/bin"}

    for _ in range(2):
        hooks["on_before_task"](SimpleNamespace(base_dir=str(tmp_path)), None, command, environment)

    assert command[4:6] == ["--cipd-enabled", "false"]
    client = os.path.join(environment["LUCI_GO_CLIENT_DIR"], "cas")
    assert os.access(client, os.X_OK)


async def test_a_folder_with_a_cas_client_that_somebody_named_stays(world, bot, tmp_path):
    hooks: dict[str, Any] = {}
    exec(said(await bot.shake_hands())["bot_config"], hooks)
    environment = {"LUCI_GO_CLIENT_DIR": "/opt/cas"}

    hooks["on_before_task"](SimpleNamespace(base_dir=str(tmp_path)), None, [], environment)

    assert environment == {"LUCI_GO_CLIENT_DIR": "/opt/cas"}


async def test_our_own_bot_and_one_that_has_cipd_are_sent_no_hooks(world, bot):
    bot.state["bot_code"] = {"updates": False}
    assert "bot_config" not in said(await bot.shake_hands())
    del bot.state["bot_code"]

    async with build(some_settings(bots_have_cipd=True))(world.ports) as app:
        elsewhere = World(app, world.ports)
        assert "bot_config" not in said(await UpstreamBot(elsewhere).shake_hands())
        await elsewhere.close()
