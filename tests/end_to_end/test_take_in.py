"""What becomes of a task when it is taken in: reused results, capacity, the settings of its pool."""

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from uuid import uuid4

import httpx
import pytest

from swarming_client import NewTask, Swarming
from tests.cluster import Deployment, Standalone

pytestmark = pytest.mark.timeout(90)

SOON = 30.0
"""Seconds; what takes a moment on an idle machine must end within this on a busy one."""

POOLS = """
[pools.newest-first]
order = "lifo"

[pools.small]
max_pending = 2
"""


@pytest.fixture(scope="module")
def one_bot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The embedded form with one bot, `bot`, in each of the pools."""
    folder = tmp_path_factory.mktemp("take-in")
    (folder / "pools.toml").write_text(POOLS)
    with Standalone(folder, {"SWARMING_POOLS_FILE": str(folder / "pools.toml")}) as running:
        running.start_bots(1, dimensions=[("pool", "default"), ("pool", "newest-first")])
        running.wait_for_bots(1)
        yield running


def a_task(*command: str, pool: str = "default", **options) -> NewTask:
    return NewTask(command=command, dimensions=[("pool", pool)], **options)


def test_an_idempotent_task_takes_the_result_of_its_twin(one_bot: Deployment, tmp_path):
    client = one_bot.client()
    script = f"import os; open({str(tmp_path / 'ran')!r}, 'a').write('x'); print('once only')"
    task = a_task(sys.executable, "-c", script, idempotent=True)

    first, second = (_run(client, task) for _ in range(2))
    failing = [_run(client, a_task("false", idempotent=True)) for _ in range(2)]

    assert (second.state, second.deduped_from, second.run_id) == ("COMPLETED", first.run_id, None)
    assert (second.exit_code, second.duration, second.bot_id) == (0, first.duration, "bot")
    assert second.json["cost_saved_usd"] == first.json["costs_usd"][0]
    assert "costs_usd" not in second.json
    assert client.stdout(second.task_id).text == "once only\n"
    assert (tmp_path / "ran").read_text() == "x"
    assert [one.deduped_from for one in failing] == [None, None]
    deduped = client.list_tasks(state="DEDUPED")
    assert [one.task_id for one in deduped.items] == [second.task_id]


def test_a_task_with_other_secret_bytes_is_no_twin(one_bot: Deployment):
    client = one_bot.client()
    bodies = [a_task("true", idempotent=True, name="secret").to_json() for _ in range(3)]
    for body, secret in zip(bodies, ("YQ==", "Yg==", "YQ=="), strict=True):
        body["task_slices"][0]["properties"]["secret_bytes"] = secret

    results = [client.wait(client.new_task(body).task_id, timeout_secs=SOON) for body in bodies]

    assert [one.state for one in results] == ["COMPLETED"] * 3
    assert [one.deduped_from for one in results] == [None, None, results[0].run_id]


def test_a_task_that_no_bot_could_run_says_so_at_once(one_bot: Deployment):
    answer = one_bot.run_command("run", "-d", "os=Plan9", "--", "true")

    assert answer.returncode == 1
    assert "no live bot has os=Plan9 among 1 bot of pool default" in answer.stderr


def test_a_task_may_wait_for_a_bot_that_comes_later(one_bot: Deployment):
    client = one_bot.client()
    task = NewTask(command=["true"], dimensions=[("pool", "default"), ("late", "yes")], wait_for_capacity=True)
    task_id = client.new_task(task).task_id
    _run(client, a_task("true"))  # of the same pool, so the one before it was taken in
    waiting = client.result(task_id).state

    one_bot.start_bots(1, name="late-bot", dimensions=[("late", "yes")])

    result = client.wait(task_id, timeout_secs=SOON)
    assert (waiting, result.state, result.bot_id) == ("PENDING", "COMPLETED", "late-bot")


def test_a_bot_that_has_just_come_is_capacity(one_bot: Deployment):
    client = one_bot.client()
    one_bot.start_bots(1, name="new-bot", dimensions=[("fresh", "yes")])
    one_bot.wait_for_bots(len(client.bots().items))
    _wait_until(lambda: client.bots(dimensions=[("fresh", "yes")]).items)

    result = _run(client, NewTask(command=["true"], dimensions=[("pool", "default"), ("fresh", "yes")]))

    assert (result.state, result.bot_id) == ("COMPLETED", "new-bot")


def test_a_pool_may_serve_the_newest_first(one_bot: Deployment, tmp_path):
    client = one_bot.client()
    go_on = tmp_path / "go_on"
    blocker = client.new_task(a_task("sh", "-c", f"while ! test -e {go_on}; do sleep 0.02; done", pool="newest-first"))
    _wait_until(lambda: client.result(blocker.task_id).state == "RUNNING")
    ids = [client.new_task(a_task("true", pool="newest-first")).task_id for _ in range(3)]

    go_on.touch()

    started = [client.wait(task_id, timeout_secs=SOON).json["started_ts"] for task_id in ids]
    assert started == sorted(started, reverse=True)


@pytest.mark.parametrize(("flooded", "urgent"), [("default", "newest-first"), ("newest-first", "default")])
def test_a_flood_in_one_pool_of_a_bot_does_not_starve_an_urgent_task_in_another(
    one_bot: Deployment, tmp_path, flooded: str, urgent: str
):
    client = one_bot.client()
    go_on = tmp_path / "go_on"
    blocker = client.new_task(a_task("sh", "-c", f"while ! test -e {go_on}; do sleep 0.02; done"))
    _wait_until(lambda: client.result(blocker.task_id).state == "RUNNING")
    # Several seconds of work: a shard says once a second whether tasks wait in it, and may say it late.
    flood = [client.new_task(a_task("sleep", "0.5", pool=flooded, priority=200)).task_id for _ in range(10)]
    first = client.new_task(a_task("true", pool=urgent, priority=20)).task_id

    go_on.touch()

    started = {one: client.wait(one, timeout_secs=SOON).json["started_ts"] for one in [*flood, first]}
    assert max(started, key=started.__getitem__) != first  # it is the first one, but for what a busy machine does


def test_a_full_pool_takes_no_more_tasks_until_it_empties(one_bot: Deployment):
    body = a_task("true", pool="small", wait_for_capacity=True).to_json()
    with httpx.Client(base_url=one_bot.url, trust_env=False) as http:
        answers: list[httpx.Response] = []

        def is_refused() -> bool:  # as soon as the frontend has heard how many wait
            uuid = {"request_uuid": f"small-{len(answers)}"}
            answers.append(http.post("/api/swarming/v1/tasks/new", json=body | uuid))
            return answers[-1].status_code == 429

        _wait_until(is_refused, pause_seconds=0.2)
        repeated = http.post("/api/swarming/v1/tasks/new", json=body | {"request_uuid": "small-0"})
        refused = answers[-1]

    assert [one.status_code for one in answers[:2]] == [200, 200]
    assert int(refused.headers["Retry-After"]) > 0
    assert "small" in json.loads(refused.text)["error"]["message"]
    assert repeated.json()["task_id"] == answers[0].json()["task_id"]
    one_bot.start_bots(1, name="small-bot", dimensions=[("pool", "small")])
    client = one_bot.client()  # it comes back after the time it was told
    assert _run(client, a_task("true", pool="small")).state == "COMPLETED"


def _run(client: Swarming, task: NewTask):
    own = replace(task, request_uuid=str(uuid4()))
    return client.wait(client.new_task(own).task_id, timeout_secs=SOON)


def _wait_until(is_so, pause_seconds: float = 0.02) -> None:
    deadline = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(pause_seconds)
