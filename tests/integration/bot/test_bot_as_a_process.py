"""The command as a process: signals, and the zip it will be served as."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import swarming_bot
from swarming_bot.clean_start import init_limits
from tests.unit.bot.scripted_server import PATIENCE_SECONDS
from tests.unit.bot.test_bot_away import wait_until
from tests.unit.bot.test_bot_run import ends, is_running

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start_process(server, tmp_path) -> Iterator[Start]:
    processes = []

    def start(*arguments: str, program: tuple[str, ...] = ("-m", "swarming_bot")) -> subprocess.Popen[bytes]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("SWARMING_")}
        common = ("--server", server.url, "--work", str(tmp_path / "work"), "--id", "bot1")
        process = subprocess.Popen([sys.executable, *program, *common, *arguments], stderr=subprocess.PIPE, env=env)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_a_signal_while_idle_ends_the_bot_in_order(server, start_process):
    process = start_process()
    server.wait_for_call("poll")

    process.send_signal(signal.SIGINT)

    assert process.wait(PATIENCE_SECONDS) == 0
    assert server.wait_for_call("event").body["event"] == "bot_shutdown"


def limited(soft: int, hard: int) -> tuple[str, str]:
    """The command in a process that may open no more files than this."""
    return "-c", (
        f"import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}));"
        "from swarming_bot.command import main; sys.exit(main())"
    )


def test_many_bots_have_room_for_their_files(server, start_process):
    start_process("--bots", "30", program=limited(64, 4096))
    server.wait_for_call("poll", 30)
    server.run("sh", "-c", "ulimit -n")

    server.wait_for_final()

    soft = min(init_limits()[resource.RLIMIT_NOFILE], 4096)  # a task gets what init would have given it
    assert server.output() == f"{soft}\n".encode()


def test_more_bots_than_the_machine_has_files_for_are_refused(start_process):
    process = start_process("--bots", "30", program=limited(64, 500))

    _, said = process.communicate(timeout=PATIENCE_SECONDS)

    assert process.returncode == 1
    assert b"--bots 30: they need 544 open files, and this process may have 500 and no more than 500" in said


def test_a_signal_while_a_task_runs_ends_the_task_and_reports_it(server, start_process):
    server.run("sh", "-c", "echo $$; exec sleep 63")
    process = start_process()
    started = server.wait_for(lambda heard: heard.output != b"")

    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE_SECONDS) == 0
    error = server.wait_for_call("task_error")
    assert error.body["message"] == "Was terminated before completion"
    assert error.body["client_error"] == {"missing_cas": [], "missing_cipd": []}
    assert not any(heard.is_final for heard in server.updates())
    assert server.wait_for_call("event").body["event"] == "bot_shutdown"
    assert ends(int(started.output))


def test_a_second_signal_ends_the_bot_at_once(server, start_process):
    server.run("sh", "-c", "trap 'echo asked' TERM; echo $$; while :; do sleep 0.05; done")
    process = start_process()
    started = server.wait_for(lambda heard: heard.output != b"")
    process.send_signal(signal.SIGTERM)
    server.wait_for(lambda heard: b"asked" in heard.output)

    process.send_signal(signal.SIGTERM)

    assert process.wait(PATIENCE_SECONDS) == 128 + signal.SIGTERM
    with contextlib.suppress(ProcessLookupError):  # the watchdog gives it its grace period
        os.killpg(int(started.output), signal.SIGKILL)


def test_a_killed_bots_task_ends_although_nobody_starts_the_bot_again(server, start_process):
    server.run("sh", "-c", "echo $$; exec sleep 64")
    bot = start_process()
    started = server.wait_for(lambda heard: heard.output != b"")
    watchdog = watchdog_of(bot)

    bot.kill()

    assert ends(int(started.output))
    assert ends(watchdog)


def test_the_task_of_a_bot_that_is_stopped_ends_in_time_and_is_lost_when_the_bot_goes_on(server, start_process):
    server.run("sh", "-c", "echo $$; exec sleep 64", bot_ping_tolerance_secs=1)
    bot = start_process()
    started = server.wait_for(lambda heard: heard.output != b"")

    bot.send_signal(signal.SIGSTOP)
    has_ended = ends(int(started.output))
    bot.send_signal(signal.SIGCONT)
    again = server.wait_for_call("handshake", 2)

    assert has_ended
    assert again.body["session_id"] != server.calls("handshake")[0].body["session_id"]
    assert not any(heard.is_final for heard in server.heard)  # it did not end by itself: another bot is to try


def watchdog_of(bot: subprocess.Popen[bytes]) -> int:
    found = subprocess.run(["pgrep", "-P", str(bot.pid), "-f", "swarming_bot.watchdog"], stdout=subprocess.PIPE)
    return int(found.stdout)


def test_what_a_killed_bot_left_running_is_ended_when_it_comes_back(server, start_process):
    server.run("sh", "-c", "echo $$; exec sleep 64")
    first = start_process()
    started = server.wait_for(lambda heard: heard.output != b"")
    os.kill(watchdog_of(first), signal.SIGKILL)
    first.kill()
    first.wait()
    assert is_running(int(started.output))

    start_process()
    server.wait_for_call("handshake", 2)

    assert ends(int(started.output))


def test_several_bots_each_have_their_own_id_and_end_together_when_terminated(server, start_process):
    server.command({"cmd": "terminate", "task_id": "7c22376fb00cb611"})
    server.command({"cmd": "terminate", "task_id": "7c22376fb00cb711"})

    process = start_process("--bots", "2", "--dimension", "pool=a", "-d", "pool=b", "-d", "gpu=none")

    assert process.wait(PATIENCE_SECONDS) == 0
    dimensions = [heard.body["dimensions"] for heard in server.calls("handshake")]
    assert sorted(each["id"] for each in dimensions) == [["bot1-1"], ["bot1-2"]]
    assert all(each["pool"] == ["a", "b"] and each["gpu"] == ["none"] for each in dimensions)


def test_the_bot_runs_from_one_zip(server, start_process, tmp_path):
    package = Path(swarming_bot.__file__).parent
    with zipfile.ZipFile(tmp_path / "bot.zip", "w") as archive:
        archive.write(package / "__main__.py", "__main__.py")
        for module in package.glob("*.py"):
            archive.write(module, f"swarming_bot/{module.name}")

    process = start_process(program=("-I", str(tmp_path / "bot.zip")))
    server.wait_for_call("poll")
    watchdog = watchdog_of(process)
    wait_until(lambda: os.getpgid(watchdog) == watchdog)  # it is up
    server.command({"cmd": "terminate", "task_id": "7c22376fb00cb611"})

    assert process.wait(PATIENCE_SECONDS) == 0
    assert len(server.wait_for_call("handshake").body["version"]) == 64
