"""Bots that run from this server's zip: they join with one line, move over to new code, and survive bad code."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import pytest

from swarming_client import NewTask, Swarming
from tests.cluster.program import Program
from tests.cluster.standalone import Standalone

FLEET = 50
SECONDS = 240.0
"""For a whole fleet to move, on a small machine that does other things too; some thirty on an idle one."""

MOVED = """
def get_dimensions(bot):
    return {"generation": ["2"]}
"""
CRASHES_AT_START = """
import os, sys
if "start_bot" in sys.argv:
    os._exit(3)
"""
CRASHES_IN_ITS_SELF_CHECK = "import os\nos._exit(4)\n"

pytestmark = pytest.mark.timeout(900)


class ZipBot:
    """A bot in a folder of its own, started as a service would."""

    def __init__(self, bot_id: str, server: Standalone, archive: bytes) -> None:
        self.folder = server.folder / "fleet" / bot_id
        self.folder.mkdir(parents=True)
        (self.folder / "swarming_bot.zip").write_bytes(archive)
        self.program = server.bots[bot_id] = Program(
            bot_id,
            [
                *(sys.executable, str(self.folder / "swarming_bot.zip"), "start_bot"),
                *("--id", bot_id, "--lowest-free-disk-mb", "0"),
            ],
            folder=self.folder,
            environment={"SWARMING_SERVER": ""},
            at_our_death=signal.SIGTERM,
        )
        self.program.start()

    @property
    def note(self) -> dict[str, object]:
        try:
            found: dict[str, object] = json.loads((self.folder / "swarming_bot.json").read_text())
        except FileNotFoundError:
            return {}
        return found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Standalone]:
    # Short holds: that an idle bot's code works is known when its first poll is answered.
    settings = {"SWARMING_HOLD_SECONDS": "5", "SWARMING_STATE_SECONDS": "0", "SWARMING_LOG_LEVEL": "warning"}
    with Standalone(tmp_path, settings) as server:
        yield server


def until(is_so: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, f"not in {seconds:g} s: {what}"
        time.sleep(0.2)


def fetch_bot(server: Standalone) -> bytes:
    with urlopen(f"{server.url}/bot_code") as answer:
        content: bytes = answer.read()
    return content


def a_fleet(server: Standalone, count: int) -> list[ZipBot]:
    archive = fetch_bot(server)
    return [ZipBot(f"zip-{number}", server, archive) for number in range(count)]


def versions(client: Swarming) -> dict[str, str]:
    return {bot.bot_id: bot.json["version"] for bot in client.bots().items}


def are_at(client: Swarming, count: int, version: str) -> Callable[[], bool]:
    return lambda: list(versions(client).values()) == [version] * count


def current_version(server: Standalone) -> str:
    with urlopen(f"{server.url}/api/swarming/v1/server/details") as answer:
        return str(json.load(answer)["bot_version"])


def a_task(text: str, seconds: float, **dimensions: str) -> NewTask:
    script = f"import time; print('begin', flush=True); time.sleep({seconds}); print({text!r})"
    return NewTask(
        command=[sys.executable, "-c", script],
        dimensions=[("pool", "default"), *dimensions.items()],
        execution_timeout_secs=600,
        io_timeout_secs=600,
        expiration_secs=600,
    )


def test_a_fleet_moves_over_while_tasks_run_and_survives_code_that_crashes(server):
    client = server.client()
    fleet = a_fleet(server, FLEET)
    first = current_version(server)
    until(are_at(client, FLEET, first), "the fleet has connected")
    long_tasks = [client.new_task(a_task("done", 20, id=f"zip-{number}")).task_id for number in range(3)]
    until(lambda: all(client.result(task).state == "RUNNING" for task in long_tasks), "three tasks run")
    runs = {task: client.result(task).run_id for task in long_tasks}

    # new hooks: everybody moves over, and nobody loses a task
    client.uploads("bot_config").upload(MOVED)
    until(lambda: current_version(server) != first, "the new hooks are in the code", 30)
    second = current_version(server)
    short_tasks = [client.new_task(a_task("short", 0)).task_id for _ in range(FLEET)]
    until(are_at(client, FLEET, second), "the fleet has moved over")
    for task in long_tasks:
        result = client.wait(task, timeout_secs=60)
        assert (result.state, result.exit_code, result.run_id) == ("COMPLETED", 0, runs[task])
        assert client.stdout(task).text == "begin\ndone\n"
    for task in short_tasks:
        assert client.wait(task, timeout_secs=60).state == "COMPLETED"
    hooked = client.new_task(a_task("hooked", 0, generation="2")).task_id
    assert client.wait(hooked, timeout_secs=60).state == "COMPLETED"
    until(lambda: all(bot.note["good"] == second for bot in fleet), "everybody knows that it works")

    # code that crashes at its start: everybody tries it, everybody goes back, and works
    client.uploads("bot_config").upload(CRASHES_AT_START)
    until(lambda: current_version(server) != second, "the bad hooks are in the code", 30)
    bad = current_version(server)
    until(lambda: all(bot.note.get("rejected") == bad for bot in fleet), "everybody has given it up")
    assert all(bot.program.is_running for bot in fleet)
    assert {bot.note["version"] for bot in fleet} == {second}
    tasks = [client.new_task(a_task("alive", 0, id=f"zip-{number}")).task_id for number in range(FLEET)]
    with ThreadPoolExecutor(10) as pool:
        for result in pool.map(lambda task: client.wait(task, timeout_secs=120), tasks):
            assert (result.state, result.exit_code) == ("COMPLETED", 0)
    assert set(versions(client).values()) == {second}


def test_code_that_fails_its_self_check_is_never_started_and_the_next_one_is_taken(server):
    client = server.client()
    (bot,) = a_fleet(server, 1)
    first = current_version(server)
    until(are_at(client, 1, first), "the bot has connected")

    client.uploads("bot_config").upload(CRASHES_IN_ITS_SELF_CHECK)
    until(lambda: bool(bot.note.get("rejected")), "it was checked")
    rejected = bot.note["rejected"]
    task = client.new_task(a_task("alive", 0)).task_id

    assert client.wait(task, timeout_secs=60).state == "COMPLETED"
    assert versions(client) == {"zip-0": first}
    assert rejected == current_version(server)
    until(lambda: "its self-check ended with 4" in client.bot("zip-0").json["state"], "the bot says why", 60)
    client.uploads("bot_config").revert(0)
    until(lambda: current_version(server) == first, "the first code is back", 30)
    client.uploads("bot_config").upload(MOVED)
    until(lambda: versions(client)["zip-0"] not in (first, rejected), "it has moved over")
    assert bot.program.is_running


def test_a_bot_whose_supervisor_is_killed_ends_and_a_new_one_goes_on(server):
    client = server.client()
    (bot,) = a_fleet(server, 1)
    until(are_at(client, 1, current_version(server)), "the bot has connected")

    bot.program.kill()
    bot.program.start()

    task = client.new_task(a_task("alive", 0)).task_id
    assert client.wait(task, timeout_secs=120).state == "COMPLETED"


def test_one_line_makes_a_machine_a_bot(server, tmp_path):
    client = server.client()
    line = server.run_command("bootstrap", "join").stdout.strip()
    assert line.endswith("| python3 -")
    folder = tmp_path / "machine"
    folder.mkdir()

    machine = subprocess.Popen(
        ["sh", "-c", f"{line} --id joined --lowest-free-disk-mb 0"],
        cwd=folder,
        env={**os.environ, "SWARMING_SERVER": "", "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: "joined" in versions(client), "the machine has joined")
        task = client.new_task(a_task("hello", 0, id="joined")).task_id
        assert client.wait(task, timeout_secs=60).state == "COMPLETED"
        assert client.stdout(task).text == "begin\nhello\n"
        assert (folder / "swarming_bot" / "swarming_bot.zip").exists()
    finally:
        os.killpg(machine.pid, signal.SIGTERM)
        machine.wait(60)


def test_a_machine_with_a_wrong_token_is_told_so(server):
    line = f'curl -sSL "{server.url}/bootstrap?tok=guessed" | {sys.executable} -'

    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "expected a token of the last hour" in done.stderr
