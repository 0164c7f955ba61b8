"""A bot whose disk is full, on a real file system of 24 MiB that only the bot and its tasks see."""

from __future__ import annotations

import base64
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.unit.bot.scripted_server import PATIENCE_SECONDS, Heard, ScriptedServer

# Root mounts in a name space of mounts alone; others need one of users, too.
UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
START = "mount -t tmpfs -o size=24m tmpfs {folder} && exec {python} -m swarming_bot {options}"


class BotOnSmallDisk:
    def __init__(self, server: ScriptedServer, folder: str) -> None:
        options = f"--server {server.url} --id bot1 --work {folder}/work --lowest-free-disk-mb 0 --cache-free-disk-mb 0"
        script = START.format(folder=folder, python=sys.executable, options=options)
        self.process = subprocess.Popen([*UNSHARE, "sh", "-c", script], stderr=subprocess.PIPE, text=True)
        self.disk_is_full = threading.Event()
        self._log: list[str] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def log(self) -> str:
        return "".join(self._log)

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        exit_code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        return exit_code

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._log.append(line)
            if "output_not_kept" in line:
                self.disk_is_full.set()
        self.process.stderr.close()


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def start(server, tmp_path) -> Iterator[Callable[[], BotOnSmallDisk]]:
    bots: list[BotOnSmallDisk] = []

    def start_one() -> BotOnSmallDisk:
        bots.append(BotOnSmallDisk(server, str(tmp_path)))
        return bots[-1]

    yield start_one
    for bot in bots:
        if bot.process.poll() is None:
            bot.process.kill()
            bot.process.wait()


def taken_late(server: ScriptedServer, bot: BotOnSmallDisk) -> None:
    """The server takes output only when the disk is full, and nothing is lost of what was kept until then."""

    def answer(heard: Heard):
        if heard.output:
            assert bot.disk_is_full.wait(PATIENCE_SECONDS), bot.log

    server.answer = answer


def test_a_task_that_fills_the_disk_with_its_output_fails_by_the_bot_and_what_was_kept_is_sent(server, start):
    bot = start()
    taken_late(server, bot)
    server.run("yes")

    error = server.wait_for_call("task_error")
    following = server.wait_for_call("poll", 2)

    assert error.body["message"] == "the bot's disk is full"
    assert error.body["try_elsewhere"] is True
    output = server.output()
    assert len(output) > 4 * 1024 * 1024
    assert output == (b"y\n" * (len(output) // 2 + 1))[: len(output)]
    assert len(server.updates()) < 200
    assert "quarantined" not in following.body["state"]  # the run's folder is gone, so there is room
    assert bot.stop() == 0


def test_a_bot_without_room_quarantines_itself_until_there_is_some(server, start, tmp_path):
    bot = start()
    taken_late(server, bot)
    ballast = tmp_path / "ballast"
    server.run("sh", "-c", f"head -c 20m /dev/zero > {ballast}; yes")
    server.wait_for_call("task_error")

    unfit = server.wait_for_call("poll", 2)
    server.run("rm", str(ballast), task_id="7c2236638dbfee11")
    fit = server.wait_for_call("poll", 3)

    assert unfit.body["state"]["quarantined"] == "the bot's disk is full"
    assert "quarantined" not in fit.body["state"]
    assert bot.stop() == 0


def test_a_run_that_cannot_even_be_prepared_on_a_full_disk_is_tried_elsewhere(server, start, tmp_path):
    bot = start()
    server.run("sh", "-c", f"cat /dev/zero > {tmp_path}/ballast")  # its own failure to write is the task's
    server.wait_for_final()
    secret = base64.b64encode(bytes(20_480)).decode()  # more than the first run's folder leaves free when it goes
    server.run("sh", "-c", "echo hello", task_id="7c2236638dbfee11", secret_bytes=secret)

    error = server.wait_for_call("task_error")

    assert (error.body["task_id"], error.body["try_elsewhere"]) == ("7c2236638dbfee11", True)
    assert error.body["message"] == "the bot's disk is full"
    assert bot.stop() == 0
