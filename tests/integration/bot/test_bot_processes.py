"""Bots as processes of their own: what they adopt, what they end, and how they share a machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from swarming_bot.short_folder import runs_folder
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, RUN_ID, Heard, ScriptedServer
from tests.unit.bot.test_bot_killing import noted
from tests.unit.bot.test_bot_run import ends, is_running

Start = Callable[..., "subprocess.Popen[bytes]"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to whom one likes")

# A daemon as it is in the book: two forks, a session of its own, and nothing that tells where it came from.
DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.chdir("/")
for number in range(3): os.dup2(os.open("/dev/null", os.O_RDWR), number)
os.execve(sys.executable, [sys.executable, "-c", '''
import os, time
with open({note!r}, "w") as file: print(os.getpid(), file=file)
time.sleep(60)
'''], {{}})
"""


@pytest.fixture
def start_process(server, tmp_path) -> Iterator[Start]:
    processes = []

    def start(*arguments: str, work: str = "work") -> subprocess.Popen[bytes]:
        env = {key: value for key, value in os.environ.items() if not key.startswith("SWARMING_")}
        common = ("--server", server.url, "--work", str(tmp_path / work), "--lowest-free-disk-mb", "0")
        command = [sys.executable, "-m", "swarming_bot", *common, *arguments]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, env=env)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.terminate()
    for process in processes:
        try:
            process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def daemon_task(note: Path, then: str) -> tuple[str, ...]:
    script = DAEMON.format(note=str(note))
    return ("sh", "-c", f'"$0" -c "$1"; {wait_for(note)}; {then}', sys.executable, script)


def wait_for(file: Path) -> str:
    return f"while ! test -s {file}; do sleep 0.01; done"


def adopted_by(bot: int) -> list[int]:
    """Its children but the watchdog, which stays in its session."""
    children = map(int, Path(f"/proc/{bot}/task/{bot}/children").read_text().split())
    return [pid for pid in children if os.getsid(pid) != os.getsid(bot)]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_daemon_that_hid_every_trace_ends_with_its_task(server, start_process, tmp_path):
    note = tmp_path / "note"
    server.run(*daemon_task(note, "echo done"))

    bot = start_process("--id", "bot1")
    final = server.wait_for_final()
    server.wait_for_call("poll", 2)

    assert final.body["exit_code"] == 0
    assert not is_running(noted(note))
    assert adopted_by(bot.pid) == []  # no zombies either


def test_an_idle_bot_collects_orphans_that_die(server, start_process, tmp_path):
    hooks = tmp_path / "bot_config.py"
    hooks.write_text(
        "import subprocess\ndef on_bot_startup(bot):\n    subprocess.run(['setsid', '-f', 'sleep', '60'])\n"
    )
    server.answer = lambda heard: {"cmd": "sleep", "duration": 0.02} if heard.call == "poll" else None

    bot = start_process("--id", "bot1", "--hooks", str(hooks))
    server.wait_for_call("poll")
    adopted = adopted_by(bot.pid)
    os.kill(adopted[0], signal.SIGKILL)

    assert len(adopted) == 1
    wait_until(lambda: adopted_by(bot.pid) == [])


def test_a_daemon_of_a_canceled_task_ends_with_it(server, start_process, tmp_path):
    note = tmp_path / "note"
    server.run(*daemon_task(note, "echo up; exec sleep 60"))
    server.answer = lambda heard: {"must_stop": True, "ok": True} if heard.output else None

    start_process("--id", "bot1")
    final = server.wait_for_final()

    assert final.body["exit_code"] == -15
    assert not is_running(noted(note))


def test_a_daemon_without_an_environment_ends_with_its_task_while_another_bots_runs(server, start_process, tmp_path):
    note = tmp_path / "note"
    daemon = f"env -i setsid sh -c 'env -i setsid sh -c \"echo \\$\\$ > {note}; exec sleep 60\" &'"
    commands: dict[str, Sequence[str]] = {
        "b-1": ("sh", "-c", f"echo > {tmp_path}/up; exec sleep 60"),
        "b-2": ("sh", "-c", f"{wait_for(tmp_path / 'up')}; {daemon}; {wait_for(note)}"),
    }
    hand_out(server, commands)

    start_process("--id", "b", "--bots", "2")
    server.wait_for(lambda heard: heard.is_final and heard.body["id"] == "b-2")

    assert not is_running(noted(note))


def hand_out(server: ScriptedServer, commands: dict[str, Sequence[str]]) -> None:
    """Each of these bots gets its command, once."""

    def answer(heard: Heard):
        bot_id = heard.body.get("dimensions", {}).get("id", [""])[0]
        if heard.call == "poll" and bot_id in commands:
            manifest = {"command": list(commands.pop(bot_id)), "task_id": f"{RUN_ID[:-2]}{bot_id[-1]}1"}
            return {"cmd": "run", "manifest": {**manifest, "io_timeout": None, "grace_period": 0.1}}
        return None

    server.answer = answer


def test_a_daemon_is_not_taken_for_another_bots_of_the_same_process(server, start_process, tmp_path):
    note = tmp_path / "note"
    commands: dict[str, Sequence[str]] = {
        "b-1": daemon_task(note, "exec sleep 60"),
        "b-2": ("sh", "-c", wait_for(note)),
    }

    hand_out(server, commands)

    bots = start_process("--id", "b", "--bots", "2")
    server.wait_for(lambda heard: heard.is_final and heard.body["id"] == "b-2")
    between = is_running(noted(note))
    bots.send_signal(signal.SIGTERM)
    bots.wait(PATIENCE_SECONDS)

    assert between
    assert ends(noted(note))


def test_two_processes_on_one_host_leave_each_others_tasks_alone(server, start_process, tmp_path):
    server.run("sh", "-c", "echo $$; exec sleep 60")
    first = start_process("--id", "bot1")
    started = server.wait_for(lambda heard: heard.output != b"")
    server.run("true")  # the same run id, of another bot

    start_process("--id", "bot2")
    server.wait_for_final()

    assert is_running(int(started.output))
    first.send_signal(signal.SIGTERM)
    assert ends(int(started.output))


def test_all_that_a_killed_bot_left_is_ended_when_it_comes_back(server, start_process, tmp_path):
    start = "{prefix} sh -c 'echo $$ > {note}; exec sleep 60' > /dev/null 2>&1 &"
    stray = start.format(prefix="setsid", note=tmp_path / "note")
    traceless = start.format(prefix="env -i setsid", note=tmp_path / "traceless")
    server.run("sh", "-c", f"{stray} {traceless} echo $$; exec sleep 60")
    first = start_process("--id", "bot1")
    started = server.wait_for(lambda heard: heard.output != b"")
    left = [int(started.output), noted(tmp_path / "note"), noted(tmp_path / "traceless")]
    first.kill()
    first.wait()

    start_process("--id", "bot1")
    server.wait_for_call("handshake", 2)

    assert all(ends(pid) for pid in left)
    assert os.listdir(runs_folder(str(tmp_path / "work" / "bot1"))) == []


def test_hooks_come_from_a_file_or_the_environment(server, start_process, tmp_path):
    hooks = tmp_path / "bot_config.py"
    hooks.write_text("def get_dimensions(bot): return {'flavour': [bot.id]}\n")

    start_process("--id", "bot1", "--hooks", str(hooks))

    assert server.wait_for_call("handshake").body["dimensions"]["flavour"] == ["bot1"]


def test_a_hooks_own_processes_are_left_alone(server, start_process, tmp_path):
    hooks = tmp_path / "bot_config.py"
    hooks.write_text(
        "import subprocess\n"
        "def on_bot_startup(bot):\n"
        "    bot.post_event('bot_log', str(subprocess.Popen(['sleep', '60']).pid))\n"
    )
    server.run("true")

    bot = start_process("--id", "bot1", "--hooks", str(hooks))
    monitor = int(server.wait_for_call("event").body["message"])
    server.wait_for_call("poll", 2)

    assert is_running(monitor)
    bot.terminate()
    bot.wait(PATIENCE_SECONDS)
    os.kill(monitor, signal.SIGKILL)
