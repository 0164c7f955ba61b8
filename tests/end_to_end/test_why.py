"""`swarming why` on a whole Swarming in its embedded form: what keeps tasks waiting, and what people are told of it."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from swarming_client import Explanation, NewTask, Swarming
from tests.cluster import Standalone

pytestmark = pytest.mark.timeout(120)

SOON = 30.0
"""Seconds; what takes a moment on an idle machine must happen within this on a busy one."""
LINUX, WINDOWS, SICK = (("flavour", one) for one in ("linux", "windows", "sick"))


@pytest.fixture(scope="module")
def swarming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standalone]:
    with Standalone(tmp_path_factory.mktemp("why")) as running:
        running.start_bots(2, name="linux", dimensions=[LINUX])
        running.start_bots(1, name="sick", dimensions=[SICK, ("quarantined", "no-disk")])
        client = running.client()
        _wait_until(lambda: len(client.bots().items) == 3)
        yield running


@pytest.fixture
def client(swarming: Standalone) -> Swarming:
    return swarming.client()


def test_a_task_that_no_bot_matches_is_told_what_bots_lack(swarming: Standalone, client: Swarming):
    task_id = _submit(client, WINDOWS)

    answer = swarming.run_command("why", task_id)
    page = httpx.get(f"{swarming.url}/user/task/{task_id}", trust_env=False)

    told = "No bot has all that it asks for (flavour=windows, pool=default): 3 bots match all but flavour=windows"
    assert answer.returncode == 0, answer.stderr
    assert answer.stdout.startswith(f"PENDING: {told}; they have flavour=linux or flavour=sick.")
    assert "(linux-1, linux-2, sick)" in answer.stdout
    assert told in page.text
    assert {"wait_for_capacity", "near_miss"} <= dict(client.why(task_id).reasons).keys()
    client.cancel(task_id)


def test_a_task_behind_others_is_told_its_place(swarming: Standalone, client: Swarming, tmp_path: Path):
    go_on = tmp_path / "go_on"
    until_told = ["sh", "-c", f"while ! test -e {go_on}; do sleep 0.05; done"]
    blockers = [_submit(client, LINUX, command=until_told) for _ in range(2)]
    for one in blockers:
        _wait_until(lambda one=one: client.result(one).state == "RUNNING")  # type: ignore[misc]
    first, second, third = (_submit(client, LINUX, priority=priority) for priority in (50, 60, 70))

    explanation = _told_by_the_scheduler(client, second)
    answer = swarming.run_command("why", second)
    go_on.touch()

    assert (explanation.rank, explanation.queue_length) == (2, 3)
    assert explanation.here is not None
    assert (explanation.here.counts["busy"], explanation.here.counts["idle"]) == (2, 0)
    assert explanation.json["ahead"]["by_priority"] == "1"
    assert explanation.json["ahead"]["next_up"] == [first]
    assert "Both bots that can run it are busy; it is 2nd of 3 in its queue." in answer.stdout
    for one in (*blockers, first, second, third):
        assert client.wait(one, timeout_secs=SOON).state == "COMPLETED"


def test_a_task_whose_only_bot_is_quarantined_is_told_why_it_is(swarming: Standalone, client: Swarming):
    task_id = _submit(client, SICK)

    explanation = client.why(task_id)

    assert explanation.summary.startswith("The only bot that matches, sick, is quarantined (no-disk).")
    assert explanation.start_text == "unknown"
    client.cancel(task_id)


def test_a_running_task_is_told_since_when(swarming: Standalone, client: Swarming, tmp_path: Path):
    go_on = tmp_path / "go_on"
    task_id = _submit(client, LINUX, command=["sh", "-c", f"while ! test -e {go_on}; do sleep 0.05; done"])
    _wait_until(lambda: client.result(task_id).state == "RUNNING")

    explanation = client.why(task_id)
    go_on.touch()

    assert explanation.state == "RUNNING"
    assert explanation.summary.startswith("It is not pending: it has been running on linux-")
    client.wait(task_id, timeout_secs=SOON)


def test_a_finished_task_is_told_how_it_ended(swarming: Standalone, client: Swarming):
    task_id = _submit(client, LINUX, command=["sh", "-c", "exit 3"])
    client.wait(task_id, timeout_secs=SOON)

    answer = swarming.run_command("why", task_id)

    assert answer.stdout.startswith("COMPLETED: It is not pending: it ran on linux-")
    assert "ended with exit code 3" in answer.stdout


def _submit(client: Swarming, flavour: tuple[str, str], **fields) -> str:
    task = {"command": ["true"], "dimensions": [flavour], "wait_for_capacity": True, **fields}
    return client.new_task(NewTask(**task)).task_id


def _told_by_the_scheduler(client: Swarming, task_id: str) -> Explanation:
    """Its word; a busy machine may once be too slow for it."""
    answers: list[Explanation] = []

    def ask() -> bool:
        answers.append(client.why(task_id))
        return answers[-1].json["source"] == "scheduler"

    _wait_until(ask)
    return answers[-1]


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)
