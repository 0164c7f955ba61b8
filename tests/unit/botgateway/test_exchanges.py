"""Every exchange of bot-api.md section 12 as an unmodified upstream bot has it, with all that the answers hold."""

import asyncio
from typing import Any

import httpx
import pytest

from swarming_common.bot_code.archive import unpack, version_of
from swarming_common.database import tables
from swarming_common.hints.scheduler import Offer, OfferMade, RunReported
from swarming_common.model.reports import ReportKind
from swarming_common.model.request import Cache, CipdInput, CipdPackage, EnvPrefix, Input
from swarming_common.model.task_id import RunId
from swarming_common.release import server_version
from tests.unit.botgateway.upstream_bot import VERSION, UpstreamBot, said, types_of
from tests.unit.botgateway.world import BASE, World, a_world, some_properties, some_settings

ENDED = {
    "bot_overhead": 0.9078781,
    "cache_trim_stats": {"duration": 0.000284},
    "cipd_pins": {"client_package": {"package_name": "p", "version": "v"}, "packages": []},
    "cipd_stats": {"duration": 0.1},
    "cas_output_root": {"cas_instance": "i", "digest": {"hash": "h", "size_bytes": 7}},
    "cleanup_stats": {"duration": 0.002673},
    "isolated_stats": {"download": {"items_cold": "eJwDAAAAAAE=", "duration": 0.2}, "upload": {}},
    "named_caches_stats": {"install": {"duration": 0.00014}, "uninstall": {"duration": 0.000289}},
}
TIMES = {"duration": 11.1125416, "hard_timeout": False, "io_timeout": False}


@pytest.fixture
async def bot(world: World) -> UpstreamBot:
    bot = UpstreamBot(world)
    said(await bot.shake_hands())
    return bot


async def polling(world: World, bot: UpstreamBot) -> tuple[asyncio.Task[httpx.Response], Offer]:
    """A poll that waits, and what its shard was offered."""
    seen = len(world.of_kind(OfferMade))
    poll = asyncio.create_task(bot.poll())
    return poll, (await world.hint(OfferMade, number=seen)).offer


async def given_a_run(world: World, bot: UpstreamBot, **more: Any) -> tuple[RunId, dict[str, Any]]:
    """A run that the bot was given, and its manifest."""
    run = await world.a_run(bot.bot_id)
    poll, offer = await polling(world, bot)
    world.assign(offer, run, **more)
    answer = said(await poll)
    assert answer == {"cmd": "run", "session": bot.session, "manifest": answer["manifest"]}
    return run, answer["manifest"]


def goes_on(bot: UpstreamBot) -> dict[str, Any]:
    return {"must_stop": False, "ok": True, "session": bot.session}


def stops(bot: UpstreamBot) -> dict[str, Any]:
    return {"must_stop": True, "ok": True, "session": bot.session}


async def reports(world: World) -> dict[str, Any]:
    return {row.kind: row for row in await world.rows(tables.run_report)}


async def test_a_handshake(world):
    bot = UpstreamBot(world)

    answer = said(await bot.shake_hands())

    hooks = answer.pop("bot_config")
    assert answer == {
        "bot_version": VERSION,
        "server_version": server_version(),
        "bot_config_rev": "0",
        "bot_config_name": "bot_config.py",
        "session": bot.session,
    }
    assert "def on_before_task" in hooks
    [row] = await world.rows(tables.bot)
    assert (row.quarantined, row.state["ram"], row.dimensions["cpu"]) == (None, 7950, ["x86", "x86-64"])


async def test_a_poll_with_nothing_to_do(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0.01)) as world:
        bot = UpstreamBot(world)
        await bot.shake_hands()

        answer = said(await bot.poll())

    assert answer == {"cmd": "sleep", "duration": 0.0, "quarantined": False, "session": bot.session}
    assert types_of(answer) == {"cmd": str, "duration": float, "quarantined": bool, "session": str}


async def test_a_poll_with_a_task_that_uses_everything(sqlite_folder):
    properties = some_properties(
        command=("python3", "-u", "-c", "…"),
        dimensions=(("id", "bot1"), ("pool", "default")),
        env=(("FOO", "bar"), ("GONE", "")),
        env_prefixes=(EnvPrefix(key="PATH", values=("bin", "a/b")),),
        relative_cwd="out",
        caches=(Cache(name="git", path="cache/git"),),
        outputs=("result.json",),
        io_timeout_secs=60,
    )

    async with a_world(sqlite_folder, some_settings(bots_have_cipd=True)) as world:
        bot = UpstreamBot(world)
        await bot.shake_hands()
        run, manifest = await given_a_run(world, bot, properties=properties, secret_bytes="c2VjcmV0", realm="a:b")

    assert manifest.pop("bot_ping_tolerance_secs") == 600  # for our own bot; upstream's reads what it knows
    assert manifest == {
        "bot_id": "bot1",
        "bot_authenticated_as": "bot:whitelisted-ip",
        "bot_dimensions": bot.dimensions,
        "caches": [{"name": "git", "path": "cache/git", "hint": "0"}],
        "cas_input_root": None,
        "cipd_input": None,
        "command": ["python3", "-u", "-c", "…"],
        "containment": {},
        "dimensions": {"id": ["bot1"], "pool": ["default"]},
        "env": {"FOO": "bar", "GONE": ""},
        "env_prefixes": {"PATH": ["bin", "a/b"]},
        "grace_period": 30,
        "hard_timeout": 60,
        "io_timeout": 60,
        "outputs": ["result.json"],
        "realm": {"name": "a:b"},
        "relative_cwd": "out",
        "resultdb": None,
        "secret_bytes": "c2VjcmV0",
        "service_accounts": {"system": {"service_account": "none"}, "task": {"service_account": "none"}},
        "task_id": str(run),
    }


async def test_the_inputs_of_a_task_are_in_its_manifest(world, bot):
    inputs = (Input(url="http://h/a.zip", file="a.zip"), Input(url="http://h/b.zip#sha256=" + "0" * 64))

    _, manifest = await given_a_run(world, bot, properties=some_properties(data=inputs))

    assert manifest["data"] == [["http://h/a.zip", "a.zip"], ["http://h/b.zip#sha256=" + "0" * 64, ""]]


async def test_packages_and_containment_are_in_the_manifest_as_they_were_asked_for(sqlite_folder):
    package = {"package_name": "infra/x/${platform}", "version": "latest", "path": "bin"}
    client = CipdPackage(package_name="infra/cipd", version="git_revision:abc")
    cipd = CipdInput(server="https://cipd", client_package=client, packages=(CipdPackage(**package),))

    async with a_world(sqlite_folder, some_settings(bots_have_cipd=True)) as world:
        bot = UpstreamBot(world)
        await bot.shake_hands()
        properties = some_properties(cipd_input=cipd, containment_type="JOB_OBJECT")
        _, manifest = await given_a_run(world, bot, properties=properties)

    assert manifest["cipd_input"] == {
        "server": "https://cipd",
        "client_package": {"package_name": "infra/cipd", "version": "git_revision:abc"},
        "packages": [package],
    }
    assert manifest["containment"] == {"containment_type": "JOB_OBJECT"}


async def test_the_updates_of_a_task_from_its_start_to_its_end(world, bot):
    run, _ = await given_a_run(world, bot)
    logs = b"swarming_bot_logs: " + b"x" * 1722

    answers = [
        said(await bot.update(run)),
        said(await bot.update(run, logs, 0)),
        said(await bot.update(run, b"mid\n", len(logs))),
        said(await bot.update(run, b"err\n", len(logs) + 4, exit_code=3, **TIMES, **ENDED)),
    ]

    assert answers == [goes_on(bot)] * 4
    assert all(types_of(one) == {"must_stop": bool, "ok": bool, "session": str} for one in answers)
    assert await world.output(run) == {0: logs, 1741: b"mid\n", 1745: b"err\n"}
    finished = (await reports(world))["finished"]
    assert (finished.exit_code, finished.duration, finished.cost_usd) == (3, 11.1125416, 3.7e-05)
    assert finished.details == ENDED


async def test_a_killed_task(world, bot):
    run, _ = await given_a_run(world, bot)
    assert said(await bot.update(run)) == goes_on(bot)
    await world.change_run(run, killing=True)

    told = said(await bot.update(run, b"x", 0))
    final = said(await bot.update(run, exit_code=-15, **(TIMES | {"duration": 14.06}), **ENDED))

    assert told == stops(bot)
    assert (final["ok"], final["session"]) == (True, bot.session)
    assert (await reports(world))["finished"].exit_code == -15


async def test_a_task_that_is_stopped_before_it_starts(world, bot):
    run, _ = await given_a_run(world, bot)
    await world.change_run(run, killing=True)

    told = said(await bot.update(run))
    final = said(await bot.update(run, canceled=True))

    assert told == stops(bot)
    assert final["ok"]
    assert set(await reports(world)) == {"confirmed", "canceled"}


@pytest.mark.parametrize("flag", ["hard_timeout", "io_timeout"])
async def test_a_task_over_its_time(world, bot, flag):
    run, _ = await given_a_run(world, bot)
    await bot.update(run)

    final = said(await bot.update(run, exit_code=-15, **(TIMES | {flag: True}), **ENDED))

    assert final == goes_on(bot)
    finished = (await reports(world))["finished"]
    assert (finished.hard_timeout, finished.io_timeout) == (flag == "hard_timeout", flag == "io_timeout")


async def test_a_command_that_is_not_found(world, bot):
    run, _ = await given_a_run(world, bot, properties=some_properties(command=("nothing-of-this-name",)))
    await bot.update(run)

    final = said(await bot.update(run, b"cannot run\n", 0, exit_code=1, **TIMES, **ENDED))

    assert final == goes_on(bot)
    assert (await reports(world))["finished"].exit_code == 1


async def test_a_termination(world, bot):
    run = await world.a_run("bot1")
    poll, offer = await polling(world, bot)
    world.assign(offer, run, properties=some_properties(command=(), dimensions=(("id", "bot1"),)))

    told = said(await poll)
    ended = said(await bot.end(run))
    gone = await bot.event("bot_shutdown", "Signal was received")

    assert told == {"cmd": "terminate", "task_id": str(run), "session": bot.session}
    assert ended == goes_on(bot)
    assert (gone.status_code, gone.content) == (200, b"{}")
    assert (await reports(world))["finished"].exit_code == 0
    assert (await world.rows(tables.bot))[0].shutdown_ts is not None


async def test_an_internal_failure(world, bot):
    run, _ = await given_a_run(world, bot)
    await bot.update(run)

    last = said(await bot.update(run, b"Traceback", 0))
    answer = await bot.fail(run)
    again = await bot.fail(run)

    assert last == goes_on(bot)
    for one in (answer, again):
        assert (one.status_code, one.content, one.headers["content-type"]) == (200, b"{}", "application/json")
    failed = (await reports(world))["failed"]
    assert (failed.message, failed.details) == ("Was terminated before completion", None)
    assert (await world.hint(RunReported, number=1)).report.kind is ReportKind.FAILED


async def test_a_failure_for_want_of_inputs(world, bot):
    run, _ = await given_a_run(world, bot)
    cas = [{"digest": "abc/12", "instance": "i"}]
    cipd = [{"package_name": "infra/x", "path": "p", "version": "latest"}]

    answer = await bot.fail(run, missing_cas=cas, missing_cipd=cipd)

    assert answer.content == b"{}"
    assert (await reports(world))["failed"].details == {"missing_cas": cas, "missing_cipd": cipd}


@pytest.mark.parametrize("event", ["bot_error", "bot_log", "bot_rebooting", "bot_shutdown"])
async def test_an_event(world, bot, event):
    answer = await bot.event(event, "what happened")

    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, b"{}", "application/json")
    assert (event, "what happened") in {(row.event_type, row.message) for row in await world.rows(tables.bot_event)}


async def test_an_update_of_the_bots_code(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bot_updates="always", hold_seconds=0)) as world:
        bot = UpstreamBot(world)
        expected = said(await bot.shake_hands())["bot_version"]

        told = said(await bot.poll())
        ping = await world.http.get(f"{BASE}/server_ping")
        code = await world.http.get(f"{BASE}/bot_code/{told['version']}", follow_redirects=True)
        gone = await bot.event("bot_shutdown", "Updating")
        bot.version = told["version"]
        greeted = said(await bot.shake_hands())
        idle = said(await bot.poll())

    assert told == {"cmd": "update", "version": expected, "session": bot.session}
    assert (ping.status_code, bool(ping.text)) == (200, True)
    assert (code.status_code, code.headers["content-type"]) == (200, "application/zip")
    assert version_of(unpack(code.content)) == told["version"]
    assert gone.content == b"{}"
    assert greeted["bot_version"] == told["version"]
    assert idle["cmd"] == "sleep"


async def test_a_restart_of_a_bot_whose_session_is_not_known(world, bot):
    bot.session = "sess-of-another-server"

    answer = await bot.poll()

    assert types_of(said(answer)) == {"cmd": str, "message": str}
    assert answer.json()["cmd"] == "bot_restart"


async def test_a_reboot_of_the_host(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(host_reboot_secs=100)) as world:
        bot = UpstreamBot(world)
        await bot.shake_hands()

        answer = said(await bot.poll())

    assert answer == {"cmd": "host_reboot", "message": answer["message"], "session": bot.session}
    assert answer["message"]


@pytest.mark.parametrize(("reason", "is_quarantined"), [("quarantined", True), ("maintenance", False)])
async def test_a_bot_that_says_it_cannot_work(world, bot, reason, is_quarantined):
    bot.state[reason] = "no disk"

    answer = said(await bot.poll())

    assert types_of(answer) == {"cmd": str, "duration": float, "quarantined": bool, "session": str}
    assert (answer["cmd"], answer["quarantined"]) == ("sleep", is_quarantined)
    assert 1 <= answer["duration"] <= 60
