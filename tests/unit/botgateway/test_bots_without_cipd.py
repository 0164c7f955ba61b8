"""Upstream's bots where there is no CIPD service and no CAS, and how a task that needs them ends."""

import json
import os
import subprocess
import types
from pathlib import Path
from typing import Any

import pytest

from swarming_botgateway.bot_code.upstream import hooks_for
from swarming_common.database import tables
from swarming_common.hints.scheduler import RunReported
from swarming_common.model.reports import ReportKind
from swarming_common.model.request import CipdInput, CipdPackage
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId
from tests.unit.botgateway.world import Bot, World, a_world, some_properties, some_settings

FAILURES = 5
PACKAGE = {"package_name": "infra/x", "version": "latest", "path": "bin"}
PACKAGES = CipdInput(client_package=CipdPackage(package_name="c", version="v"), packages=(CipdPackage(**PACKAGE),))


def hook_module(source: str) -> types.ModuleType:
    """As upstream's bot loads what the handshake brings."""
    module = types.ModuleType("injected")
    exec(compile(source, "injected.py", "exec"), module.__dict__)
    return module


def call_on_before_task(source: str, folder: Path) -> tuple[list[str], dict[str, str]]:
    """The arguments and the environment that the hook leaves for the task runner."""
    runner_cmd, runner_env = ["task_runner", "--"], dict[str, str]()
    bot = types.SimpleNamespace(base_dir=str(folder))
    hook_module(source).on_before_task(bot, str(folder / "bot_file"), runner_cmd, runner_env)
    return runner_cmd, runner_env


def the_hooks() -> str:
    hooks = hooks_for({}, have_cipd=False)
    assert hooks is not None
    return hooks


def test_the_stand_in_writes_the_word_that_the_task_runner_takes_for_an_input_that_is_not_there(tmp_path: Path):
    _, runner_env = call_on_before_task(the_hooks(), tmp_path)
    result = tmp_path / "fetch-and-map-result.json"
    result.touch()
    client = os.path.join(runner_env["LUCI_GO_CLIENT_DIR"], "cas")

    cache = ["-cache-dir", "c", "-cache-max-size", "1", "-cache-min-free-space", "1", "-dir", "d"]
    last = ["-log-level", "info", "-cas-instance", "projects/p/instances/i", "-kvs-dir", "k"]
    ended = subprocess.run(
        [client, "download", "-digest", "aa/77", *cache, "-dump-json", str(result), *last],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 1
    assert json.loads(result.read_text()) == {"result": "digest_invalid"}
    assert "This Swarming has no CAS" in ended.stderr


def test_the_stand_in_needs_no_file_for_its_result(tmp_path: Path):
    _, runner_env = call_on_before_task(the_hooks(), tmp_path)

    ended = subprocess.run(
        [os.path.join(runner_env["LUCI_GO_CLIENT_DIR"], "cas"), "download", "-dump-json"],
        capture_output=True,
        check=False,
    )

    assert ended.returncode == 1


def test_a_client_that_somebody_named_before_stays(tmp_path: Path):
    uploaded = (
        "def on_before_task(bot, bot_file, runner_cmd, runner_env):\n    runner_env['LUCI_GO_CLIENT_DIR'] = 'own'\n"
    )

    runner_cmd, runner_env = call_on_before_task(uploaded + the_hooks(), tmp_path)

    assert runner_env["LUCI_GO_CLIENT_DIR"] == "own"
    assert runner_cmd[-2:] == ["--cipd-enabled", "false"]


async def given(world: World, bot: Bot, **properties: Any) -> tuple[RunId, dict[str, Any]]:
    """A run that a shard gives to the bot, and what its poll is answered."""
    run = await world.a_run(bot.bot_id)
    poll, offer = await world.held_poll(bot)
    world.assign(offer, run, properties=some_properties(**properties))
    answer = await poll
    await world.change_run(run, state=int(TaskState.CLIENT_ERROR))  # the scheduler does so
    return run, answer


async def test_a_run_with_packages_ends_for_want_of_them_and_the_bot_polls_on(world):
    bot = await world.a_connected_bot()

    run, answer = await given(world, bot, cipd_input=PACKAGES)

    assert (answer["cmd"], answer["duration"]) == ("sleep", 0.0)
    [report] = await world.rows(tables.run_report)
    assert (report.kind, report.details) == (ReportKind.FAILED, {"missing_cipd": [PACKAGE]})
    assert "this bot has no CIPD client" in report.message
    assert (await world.output(run))[0].decode() == f"{report.message}\n"
    told = await world.hint(RunReported)
    assert (told.task_id, told.report.details) == (run.task_id, {"missing_cipd": [PACKAGE]})


async def test_a_bot_is_not_blamed_for_packages_that_it_cannot_have(world):
    bot = await world.a_connected_bot()

    for _ in range(FAILURES + 1):
        await given(world, bot, cipd_input=PACKAGES)

    await world.held_poll(bot)
    [row] = await world.rows(tables.bot)
    assert row.auto_quarantined is None


async def test_where_there_is_a_cipd_service_a_run_with_packages_is_given(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(bots_have_cipd=True)) as world:
        _, answer = await given(world, await world.a_connected_bot(), cipd_input=PACKAGES)

        assert answer["manifest"]["cipd_input"]["packages"] == [PACKAGE]


async def test_our_own_bot_is_given_the_run_and_refuses_it_itself(world):
    bot = await world.a_connected_bot()
    bot.state["bot_code"] = {"updates": False}

    _, answer = await given(world, bot, cipd_input=PACKAGES)

    assert answer["manifest"]["cipd_input"]["packages"] == [PACKAGE]


async def test_a_run_that_names_a_client_and_no_package_needs_no_cipd(world):
    empty = CipdInput(client_package=CipdPackage(package_name="c", version="v"))

    _, answer = await given(world, await world.a_connected_bot(), cipd_input=empty)

    assert answer["cmd"] == "run"


@pytest.mark.parametrize(("has_cipd", "outputs"), [(False, []), (True, ["out.txt"])])
async def test_a_bot_without_a_cas_is_not_asked_to_return_files_to_one(sqlite_folder, has_cipd, outputs):
    """Upstream's bot would fail at it, and be blamed for that."""
    async with a_world(sqlite_folder, some_settings(bots_have_cipd=has_cipd)) as world:
        _, answer = await given(world, await world.a_connected_bot(), outputs=("out.txt",))

        assert answer["manifest"]["outputs"] == outputs
