"""A standalone whose disk is full: it says so within two seconds, loses nothing, and goes on once there is room."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.end_to_end.fresh_starts import SWARMING
from tests.servers.ports import free_port

PATIENCE_SECONDS = 60.0
MOST_SUBMISSIONS = 2000
UNSHARE = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
# The small disk is seen by the standalone and by whoever enters its name space of mounts.
START = "mount -t tmpfs -o size=48m tmpfs {disk} && exec {swarming} standalone --port {port} --data {disk}/data"
FULL = "the disk of the database is full"  # "… or fails" where SQLite calls it an I/O error


class SmallDisk:
    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ballast = folder / "ballast"
        script = START.format(disk=folder, swarming=SWARMING, port=self.port)
        self.server = subprocess.Popen([*UNSHARE, "sh", "-c", script], stderr=subprocess.PIPE, text=True)

    def start_bot(self, work: Path) -> "subprocess.Popen[bytes]":
        """A bot on another disk."""
        options = ["--server", self.url, "--id", "bot1", "--work", str(work), "--lowest-free-disk-mb", "0"]
        return subprocess.Popen([SWARMING, "bot", *options], stderr=subprocess.DEVNULL)

    def fill(self) -> None:
        """Take all room, and what the database has reserved for its log: until then it writes on."""
        self.enter(f"cat /dev/zero > {self.ballast}")
        properties = {
            "command": ["true"],
            "dimensions": [{"key": "pool", "value": "nobody"}],
            "env": [{"key": f"V{number}", "value": "x" * 1000} for number in range(60)],
            "execution_timeout_secs": 60,
        }
        slices = [{"expiration_secs": 600, "properties": properties, "wait_for_capacity": True}]
        with httpx.Client(base_url=self.url, timeout=PATIENCE_SECONDS) as http:
            for _ in range(MOST_SUBMISSIONS):
                answer = http.post("/api/swarming/v1/tasks/new", json={"name": "large", "task_slices": slices})
                if answer.status_code == 503:
                    assert answer.json()["error"]["message"].startswith(FULL)
                    return
        pytest.fail("the disk is not full")

    def make_room(self) -> None:
        self.enter(f"rm {self.ballast}")

    def enter(self, script: str) -> None:
        users = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        target = ["nsenter", *users, "--mount", "--target", str(self.server.pid)]
        subprocess.run([*target, "sh", "-c", script], stderr=subprocess.DEVNULL, check=False)

    def swarming(self, *command: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [SWARMING, command[0], "--server", self.url, *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def readiness(self, expected: int) -> httpx.Response:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            try:
                answer = httpx.get(f"{self.url}/readyz", timeout=PATIENCE_SECONDS)
            except httpx.TransportError:
                answer = httpx.Response(0)
            if answer.status_code == expected or time.monotonic() > deadline:
                return answer
            time.sleep(0.05)


@pytest.fixture
def disk(tmp_path) -> Iterator[SmallDisk]:
    (tmp_path / "disk").mkdir()
    small = SmallDisk(tmp_path / "disk")
    bot = small.start_bot(tmp_path / "work")
    yield small
    bot.terminate()
    bot.wait()
    if small.server.poll() is None:
        small.server.send_signal(signal.SIGTERM)
        small.server.communicate()


def test_a_full_disk_is_told_and_nothing_is_lost(disk):
    assert disk.readiness(200).status_code == 200
    first = disk.swarming("run", "--wait-for-capacity", "-d", "pool=default", "--", sys.executable, "-c", "print(6*7)")
    assert first.communicate(timeout=PATIENCE_SECONDS)[0] == "42\n"

    disk.fill()
    full = disk.readiness(503)
    page = httpx.get(f"{disk.url}/", timeout=PATIENCE_SECONDS).text
    waiting = disk.swarming("run", "-d", "pool=default", "--", sys.executable, "-c", "print(7*7)")
    told: list[str] = []
    for line in waiting.stderr:
        told.append(line)
        if FULL in line:
            break
    else:
        pytest.fail("".join(told) + waiting.stdout.read())
    disk.make_room()
    output, _ = waiting.communicate(timeout=PATIENCE_SECONDS)

    assert full.json()["wrong"]["database"].startswith(FULL)
    assert f"Nothing can start just now, because {FULL}" in page
    assert (output, waiting.returncode) == ("49\n", 0)
    assert disk.readiness(200).status_code == 200
    tasks = disk.swarming("tasks", "--json")
    assert tasks.communicate(timeout=PATIENCE_SECONDS)[0].count('"task_id"') >= 2
