"""What people ask of tasks, and families of tasks: ends that spread, cancelling by tags, retries, priorities."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from swarming_client import NewTask, TaskResult
from swarming_common.model.shards import shard_of_pool
from tests.cluster import Deployment

pytestmark = pytest.mark.timeout(90)

SOON = 30.0
OTHER_POOL = "families"
TALK = ["sh", "-c", "while echo busy; do sleep 0.1; done"]
"""A bot with output to report speaks often, and so hears soon that it must stop."""
NOBODY = ("no_bot", "has_this")


@pytest.fixture(scope="module")
def family_bot(swarming: Deployment) -> Iterator[str]:
    """A bot in another pool, which belongs to another shard."""
    assert shard_of_pool(OTHER_POOL) != shard_of_pool("default")
    bot = swarming.start_bots(1, name="family-bot", dimensions=[("pool", OTHER_POOL)])
    deadline = time.monotonic() + SOON
    while "family-bot" not in {one.bot_id for one in swarming.client().bots().items}:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield "family-bot"
    bot.signal(signal.SIGTERM)
    bot.wait_or_kill()


def when_running(swarming: Deployment, task_id: str) -> TaskResult:
    client, deadline = swarming.client(), time.monotonic() + SOON
    while (result := client.result(task_id)).state != "RUNNING":
        assert result.state == "PENDING"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return result


def submit(swarming: Deployment, parent: TaskResult | str | None = None, **fields: Any) -> str:
    """A task that talks for ever, of this parent (a task by its id is named as its first run)."""
    named = parent.run_id if isinstance(parent, TaskResult) else parent and f"{parent[:-1]}1"
    task = NewTask(**{"command": TALK, "parent_task_id": named, **fields})
    return swarming.client().new_task(task).task_id


def waits_for_nobody(**fields: Any) -> dict[str, Any]:
    return {"dimensions": [NOBODY], "wait_for_capacity": True, **fields}


def state_of(swarming: Deployment, task_id: str) -> str:
    return swarming.client().wait(task_id, timeout_secs=SOON).state


def test_a_killed_parent_takes_its_family_with_it_across_pools(swarming: Deployment, family_bot: str):
    parent = when_running(swarming, submit(swarming))
    here = submit(swarming, parent)
    elsewhere = submit(swarming, parent, dimensions=[("pool", OTHER_POOL)])
    when_running(swarming, here)
    elsewhere_runs = when_running(swarming, elsewhere)
    waiting = submit(swarming, parent, **waits_for_nobody())
    grandchild = submit(swarming, elsewhere_runs, **waits_for_nobody())
    survivor = submit(swarming, parent, outlives_parent=True, **waits_for_nobody())

    swarming.client().cancel(parent.task_id, kill_running=True)

    ends = [state_of(swarming, one) for one in (parent.task_id, here, elsewhere, waiting, grandchild)]
    assert ends == ["KILLED", "KILLED", "KILLED", "CANCELED", "CANCELED"]
    assert swarming.client().result(survivor).state == "PENDING"
    assert swarming.client().cancel(survivor).ok


def test_a_parent_that_completes_ends_its_children(swarming: Deployment, tmp_path):
    go_on = tmp_path / "go_on"
    script = f"while ! test -e {go_on}; do sleep 0.05; done"
    parent = when_running(swarming, submit(swarming, command=["sh", "-c", script]))
    elsewhere = [("pool", "nobody_s"), NOBODY]
    children = [submit(swarming, parent, **waits_for_nobody(dimensions=d)) for d in ([NOBODY], elsewhere)]

    go_on.touch()

    assert state_of(swarming, parent.task_id) == "COMPLETED"
    assert [state_of(swarming, one) for one in children] == ["CANCELED", "CANCELED"]


@pytest.mark.parametrize("pool", ["default", OTHER_POOL])
def test_a_child_that_comes_too_late_ends_at_once(swarming: Deployment, pool: str):
    parent = submit(swarming, command=["true"])
    assert state_of(swarming, parent) == "COMPLETED"

    child = submit(swarming, parent, **waits_for_nobody(dimensions=[("pool", pool), NOBODY]))

    assert state_of(swarming, child) == "CANCELED"


def test_parent_and_children_are_shown(swarming: Deployment):
    parent = submit(swarming, **waits_for_nobody())
    child = submit(swarming, parent, **waits_for_nobody())

    of_parent = swarming.run_command("task", parent).stdout
    of_child = swarming.run_command("task", child).stdout

    assert f"{child} PENDING" in of_parent
    assert f"{parent[:-1]}1" in of_child
    swarming.client().cancel(parent)
    assert state_of(swarming, child) == "CANCELED"


def test_tasks_are_cancelled_by_their_tags(swarming: Deployment):
    tags = ["purpose:cancelled_by_tags", "kind:nightly"]
    runs = submit(swarming, tags=tags)
    when_running(swarming, runs)
    wait = [submit(swarming, tags=tags, **waits_for_nobody()) for _ in range(3)]
    other = submit(swarming, tags=tags[:1], **waits_for_nobody())

    answer = swarming.run_command("cancel", "--kill-running", *(part for tag in tags for part in ("--tag", tag)))

    assert (answer.returncode, "4 tasks asked to end" in answer.stderr) == (0, True), answer.stderr
    assert [state_of(swarming, one) for one in (runs, *wait)] == ["KILLED", *["CANCELED"] * 3]
    assert swarming.client().cancel(other).ok


def test_a_retry_does_it_again(swarming: Deployment):
    client = swarming.client()
    task = NewTask(command=["sh", "-c", "echo again; exit 3"], name="twice", tags=["a:b"], idempotent=True)
    first = client.new_task(task).task_id
    client.wait(first, timeout_secs=SOON)

    answer = swarming.run_command("retry", first)
    second = answer.stdout.strip()
    collected = swarming.run_command("collect", second)

    assert (collected.stdout, collected.returncode) == ("again\n", 3), collected.stderr
    result = client.result(second)
    assert (result.name, result.deduped_from) == ("twice (Retry #1)", None)
    assert "a:b" in result.tags


def test_another_priority_lets_a_task_go_first(swarming: Deployment, tmp_path):
    client, go_on = swarming.client(), tmp_path / "go_on"
    here: dict[str, Any] = {"dimensions": [("id", "bot-1")]}
    script = f"while ! test -e {go_on}; do sleep 0.05; done"
    when_running(swarming, submit(swarming, command=["sh", "-c", script], **here))
    first, second = [submit(swarming, command=["true"], priority=100, **here) for _ in range(2)]

    answer = swarming.run_command("priority", second, "50")
    go_on.touch()

    assert answer.returncode == 0, answer.stderr
    results = [client.wait(one, timeout_secs=SOON) for one in (first, second)]
    first_start, second_start = (one.started for one in results)
    assert first_start is not None
    assert second_start is not None
    assert second_start < first_start
    assert [one.priority for one in results] == [100, 50]
    assert swarming.run_command("priority", second, "60").returncode == 1
