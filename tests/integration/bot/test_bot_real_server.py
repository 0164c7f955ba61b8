"""A bot and a real server: one that is away for a while, and one that hears of two bots by one id."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarming_client import NewTask
from tests.cluster import Standalone
from tests.cluster.program import Program

SOON = 30.0


@pytest.fixture
def swarming(tmp_path: Path) -> Iterator[Standalone]:
    with Standalone(tmp_path / "swarming") as running:
        running.start_bots(name="bot")
        running.wait_for_bots(1)
        yield running


def test_a_task_that_ends_while_the_server_is_away_counts(swarming, tmp_path):
    task_id = begin(swarming, tmp_path)

    swarming.services["standalone"].kill()
    (tmp_path / "go").touch()
    wait_until(kept(swarming).exists)
    swarming.restart("standalone")
    result = swarming.client().wait(task_id, timeout_secs=SOON)

    assert (result.state, result.exit_code) == ("COMPLETED", 5)
    assert swarming.client().stdout(task_id).text == "before\nafter\n"


def test_it_counts_although_the_bot_was_restarted_meanwhile(swarming, tmp_path):
    task_id = begin(swarming, tmp_path)

    swarming.services["standalone"].kill()
    (tmp_path / "go").touch()
    wait_until(kept(swarming).exists)
    swarming.bots["bot"].signal(signal.SIGTERM)
    swarming.bots["bot"].wait(SOON)
    swarming.restart("standalone")
    swarming.bots["bot"].start()
    result = swarming.client().wait(task_id, timeout_secs=SOON)

    assert (result.state, result.exit_code) == ("COMPLETED", 5)
    assert swarming.client().stdout(task_id).text == "before\nafter\n"


def test_two_processes_with_one_id_do_not_fight_over_it(swarming, tmp_path):
    first_log = swarming.bots["bot"].log
    other = Program(
        "other",
        [
            sys.executable,
            "-m",
            "swarming_bot",
            "--server",
            swarming.url,
            "--id",
            "bot",
            "--work",
            str(tmp_path / "other"),
        ],
        folder=tmp_path,
        environment={},
    )
    other.start()
    try:
        wait_until(lambda: "bot_id_taken" in first_log.read_text())
        client = swarming.client()
        task = client.new_task(NewTask(command=["sh", "-c", "echo $TMPDIR"]))
        result = client.wait(task.task_id, timeout_secs=SOON)
        connected = [event for event in client.bot_events("bot").items if event.event_type == "bot_connected"]
    finally:
        other.kill()

    assert result.state == "COMPLETED"
    assert client.stdout(task.task_id).text.startswith(str(tmp_path / "other"))
    assert len(connected) == 2


def begin(swarming: Standalone, tmp_path: Path) -> str:
    """A task that has said something, and ends once there is a file."""
    script = f"echo before; while ! test -e {tmp_path}/go; do sleep 0.02; done; echo after; exit 5"
    client = swarming.client()
    task_id = client.new_task(NewTask(command=["sh", "-c", script])).task_id
    wait_until(lambda: "before" in client.stdout(task_id).text)
    return str(task_id)


def kept(swarming: Standalone) -> Path:
    return swarming.folder / "bots" / "bot" / "undelivered" / "report.json"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
