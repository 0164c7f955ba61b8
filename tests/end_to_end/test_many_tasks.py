"""A hundred tasks on ten bots: each runs once, is counted once, and its events tell the whole story."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from swarming_client import NewTask, TaskResult
from tests.cluster import Cluster, Deployment
from tests.cluster.event_tap import EventTap
from tests.cluster.records import event_rows, faults_in_numbers, faults_in_stories, task_of_row, task_records
from tests.cluster.workload import Journal

pytestmark = pytest.mark.timeout(110)

TASKS = 100
ALL_DONE_SECONDS = 60.0
COUNTED_SECONDS = 35.0
"""The statistics compare their cursors with the table every 30 s, should the last message of a burst be lost."""


def test_a_hundred_tasks_run_once_each_and_all_is_told_and_counted(swarming: Deployment, tmp_path):
    journal = Journal(tmp_path / "journal")

    results = _run_tasks(swarming, journal, TASKS)

    assert Counter(result.state for result in results) == {"COMPLETED": TASKS}
    ran = Counter(label for label, executions in journal.executions().items() for _ in executions)
    assert ran == {f"task-{number}": 1 for number in range(TASKS)}
    events = swarming.read(event_rows)
    states = {task_id: record.state for task_id, record in swarming.read(task_records).items()}
    assert faults_in_numbers(events) == []
    assert faults_in_stories(events, states, task_of_row) == []
    assert {result.task_id for result in results} <= states.keys()
    _wait_until_counted(swarming, Counter(event.name for event in events))


@pytest.mark.real("postgres", "rabbitmq", "redis")
def test_a_subscriber_with_its_own_queue_gets_all_events_in_order(cluster: Cluster, tmp_path):
    with EventTap(cluster.bus_url) as tap:
        results = _run_tasks(cluster, Journal(tmp_path / "journal"), 20)
        ids = {result.task_id for result in results}
        tap.wait_until(
            lambda events: {one.subject for one in events if one.name == "task.completed"} >= ids, ALL_DONE_SECONDS
        )
        heard = [one for one in tap.events if one.subject in ids]

    told = [row for row in cluster.read(event_rows) if task_of_row(row) in ids]
    assert sorted((one.shard, one.seq) for one in heard) == [(row.shard, row.seq) for row in told]
    for shard in {one.shard for one in heard}:
        numbers = [one.seq for one in heard if one.shard == shard]
        assert numbers == sorted(numbers)


def _run_tasks(swarming: Deployment, journal: Journal, count: int) -> list[TaskResult]:
    client = swarming.client()

    def one(number: int) -> TaskResult:
        task = NewTask(command=journal.command(f"task-{number}"), name=f"task-{number}")
        return client.wait(client.new_task(task).task_id, timeout_secs=ALL_DONE_SECONDS)

    with ThreadPoolExecutor(max_workers=20) as threads:
        return list(threads.map(one, range(count)))


def _wait_until_counted(swarming: Deployment, expected: Counter[str]) -> None:
    deadline = time.monotonic() + COUNTED_SECONDS
    while True:
        url = f"{swarming.url}/api/swarming/v1/stats/minutes"
        answer = httpx.get(url, trust_env=False).raise_for_status().json()
        counts: Counter[str] = Counter()
        for minute in answer["items"]:
            counts[minute["event"]] += minute["count"]
        if counts == expected or time.monotonic() > deadline:
            assert counts == expected
            return
        time.sleep(0.1)
