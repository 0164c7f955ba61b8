"""The owner of a busy shard is stopped, and wakes up when another serves; then that one is killed. No harm is done."""

import asyncio
import signal
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from swarming_common.database.tables import task_run
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.task_id import parse_run_id
from tests.chaos.assault import wait_for
from tests.cluster import Cluster
from tests.cluster.flood import submit
from tests.cluster.owners import owner_of
from tests.cluster.records import event_rows, faults_in_numbers, faults_in_stories, task_of_row, task_records
from tests.cluster.workload import Execution, Journal, overlaps, request
from tests.servers import Servers

POOL = "failover"
SHARD = shard_of_pool(POOL)
PENDING = 2_000
BOTS = 6
TASK_SECONDS = 0.2
PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Left:
    """What is to be seen afterwards."""

    executions: dict[int, list[Execution]]
    """By task id."""
    runs: list[Any]
    events: list[Any]
    records: dict[str, Any]


@pytest.fixture(scope="module")
def left(servers: Servers, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("failover")
    with (
        servers.postgres.database() as database_url,
        servers.rabbitmq.vhost() as bus_url,
        Cluster(
            folder,
            database_url=database_url,
            bus_url=bus_url,
            cache_url=servers.redis.empty_database(),
            schedulers=2,
            botgateways=2,
        ) as cluster,
    ):
        journal = Journal(folder / "journal")
        body = request(journal.command("task", TASK_SECONDS), name="task", uuid="", dimensions=[("pool", POOL)])
        del body["request_uuid"]
        body["task_slices"][0]["wait_for_capacity"] = True
        asyncio.run(submit([cluster.ports["frontend-1"]], body, PENDING))
        cluster.start_bots(BOTS, dimensions=[("pool", POOL)])
        _wait_for_work(journal)
        _stop_and_wake_the_owner(cluster, journal)
        _kill_the_owner(cluster, journal)
        cluster.bots["bot"].signal(signal.SIGTERM)
        cluster.bots["bot"].wait_or_kill()
        yield _look(cluster, journal)


def _stop_and_wake_the_owner(cluster: Cluster, journal: Journal) -> None:
    owner = _owner(cluster)
    zombie = cluster.services[owner]
    tenures_lost = zombie.log.read_text().count("tenure_lost")
    zombie.signal(signal.SIGSTOP)
    try:
        assert wait_for(lambda: owner_of(cluster, SHARD) not in (None, owner), PATIENCE_SECONDS)
        _wait_for_work(journal)
    finally:
        zombie.signal(signal.SIGCONT)
    assert wait_for(lambda: zombie.log.read_text().count("tenure_lost") > tenures_lost, PATIENCE_SECONDS)
    cluster.wait_ready(owner)
    _wait_for_work(journal)


def _kill_the_owner(cluster: Cluster, journal: Journal) -> None:
    owner = _owner(cluster)
    cluster.services[owner].kill()
    _wait_for_work(journal)
    cluster.restart(owner)
    _wait_for_work(journal)


def _owner(cluster: Cluster) -> str:
    assert wait_for(lambda: owner_of(cluster, SHARD) is not None, PATIENCE_SECONDS)
    return str(owner_of(cluster, SHARD))


def _wait_for_work(journal: Journal) -> None:
    """Until every bot may have ended a task that was given to it after now."""
    began = len(_by_task(journal))
    assert wait_for(lambda: len(_by_task(journal)) >= began + 3 * BOTS, PATIENCE_SECONDS), "no task begins any more"


def _by_task(journal: Journal) -> dict[int, list[Execution]]:
    found: dict[int, list[Execution]] = defaultdict(list)
    for one in journal.executions().get("task", ()):
        found[parse_run_id(one.run_id).task_id].append(one)
    return found


def _look(cluster: Cluster, journal: Journal) -> Left:
    return Left(
        executions=_by_task(journal),
        runs=list(cluster.read(lambda c: c.execute(select(task_run)).all())),
        events=list(cluster.read(event_rows)),
        records=cluster.read(task_records),
    )


@pytest.mark.real("postgres", "rabbitmq", "redis")
@pytest.mark.timeout(400)
class TestFailover:
    """After all of it."""

    def test_no_task_was_lost(self, left: Left):
        assert len(left.records) == PENDING

    def test_no_task_ran_twice(self, left: Left):
        assert {task: runs for task, runs in left.executions.items() if len(runs) > 1 or overlaps(runs)} == {}

    def test_no_run_was_taken_from_a_bot(self, left: Left):
        assert [run for run in left.runs if run.run_number > 1 or run.revoked] == []

    def test_the_events_are_complete(self, left: Left):
        ended = {task: record.state for task, record in left.records.items() if record.state.is_final}
        told = [one for one in left.events if task_of_row(one) in ended]

        assert faults_in_numbers(left.events) == []
        assert faults_in_stories(told, ended, task_of_row) == []
        assert Counter(one.name for one in left.events)["task.queued"] == PENDING
