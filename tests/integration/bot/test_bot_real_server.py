"""A bot and a real server: one that is away for a while, and one that hears of two bots by one id."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from swarming_bot.short_folder import runs_folder
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


def test_tasks_with_inputs_that_a_bot_cannot_fetch_are_at_fault_themselves(swarming):
    digest = {"hash": "ab" * 32, "size_bytes": "7"}
    package = {"package_name": "infra/python", "path": "py", "version": "version:3"}
    cas: dict[str, Any] = {"cas_input_root": {"cas_instance": "projects/p/instances/i", "digest": digest}}
    installer = {"package_name": "infra/tools/cipd/${platform}", "version": "latest"}
    cipd: dict[str, Any] = {
        "cipd_input": {"server": "https://cipd.invalid", "client_package": installer, "packages": [package]}
    }
    client = swarming.client()

    given = [trigger(swarming, inputs) for inputs in [cas, cipd] * 3]  # five failures of its own quarantine a bot
    results = [client.wait(task_id, timeout_secs=SOON) for task_id in given]
    after = client.wait(client.new_task(NewTask(command=["true"])).task_id, timeout_secs=SOON)

    assert {one.state for one in results} == {"CLIENT_ERROR"}
    assert "this bot has no CAS or CIPD client" in client.stdout(given[0]).text
    lacked = [raw_result(swarming, task_id) for task_id in given[:2]]
    assert lacked[0]["missing_cas"] == [{"digest": f"{digest['hash']}/7", "instance": "projects/p/instances/i"}]
    assert lacked[1]["missing_cipd"] == [package]
    assert after.state == "COMPLETED"
    assert not client.bot("bot").quarantined


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
    assert client.stdout(task.task_id).text.startswith(runs_folder(str(tmp_path / "other" / "bot")))
    assert len(connected) == 2


def trigger(swarming: Standalone, inputs: dict[str, Any]) -> str:
    """A task as upstream's clients submit it, with these inputs."""
    properties = {"command": ["true"], "dimensions": [{"key": "pool", "value": "default"}], **inputs}
    slices = [{"properties": properties | {"execution_timeout_secs": "60"}, "expiration_secs": "60"}]
    task = {"name": "t", "user": "u", "priority": "100", "task_slices": slices}
    answer = httpx.post(f"{swarming.url}/_ah/api/swarming/v1/tasks/new", json=task, trust_env=False)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["task_id"])


def raw_result(swarming: Standalone, task_id: str) -> dict[str, Any]:
    answer = httpx.get(f"{swarming.url}/_ah/api/swarming/v1/task/{task_id}/result", trust_env=False)
    found: dict[str, Any] = answer.json()
    return found


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
