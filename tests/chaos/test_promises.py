"""The promises of architecture.md section 9, while every part is killed in turn under a load of tasks."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from swarming_client import NewTask
from swarming_common.database.tables import task_request
from swarming_common.model.states import TaskState
from tests.chaos.assault import Assault, wait_for
from tests.chaos.flight import Answered, Flight
from tests.cluster import Cluster
from tests.cluster.records import (
    TaskRecord,
    counted,
    event_rows,
    faults_in_numbers,
    faults_in_stories,
    task_of_row,
    task_records,
)
from tests.cluster.workload import Execution, Journal, overlaps
from tests.servers import Servers

pytestmark = [pytest.mark.real("postgres", "rabbitmq", "redis"), pytest.mark.timeout(400)]

TASKS, AT_ONCE = 500, 300
SUBMITTERS = 5
PAUSE_SECONDS = 1.0
TOGETHER, ALONE = 16, 4
"""Bots in one process, and those that have one each and can be killed."""

SETTINGS = {"SWARMING_SILENCE_MARGIN_SECONDS": "3", "SWARMING_CONFIRM_SECONDS": "10"}
ANSWERED_SECONDS = 120.0
FINAL_SECONDS = 120.0
COUNTED_SECONDS = 60.0
"""The statistics compare their cursors with the table every 30 s."""
GO_ON_SECONDS = 15.0


@dataclass(frozen=True)
class Aftermath:
    """All that is known when the dust has settled."""

    answered: list[Answered]
    killed_bots: set[str]
    names: list[str]
    """Of all requests that were written."""
    records: dict[str, TaskRecord]
    executions: dict[str, list[Execution]]
    events: list[Any]
    counts: dict[str, int]


@pytest.fixture(scope="module")
def cluster(private_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with (
        private_servers.postgres.database() as database_url,
        private_servers.rabbitmq.vhost() as bus_url,
        Cluster(
            tmp_path_factory.mktemp("cluster"),
            database_url=database_url,
            bus_url=bus_url,
            cache_url=private_servers.redis.empty_database(),
            frontends=2,
            schedulers=2,
            botgateways=2,
            settings=SETTINGS,
        ) as running,
    ):
        running.start_bots(TOGETHER, name="together")
        for number in range(1, ALONE + 1):
            running.start_bots(1, name=f"alone-{number}")
        yield running


@pytest.fixture(scope="module")
def aftermath(cluster: Cluster, private_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Aftermath:
    """The assault, on a system that works on 500 tasks; then quiet, until all has ended or should have."""
    journal = Journal(tmp_path_factory.mktemp("journal") / "journal")
    flight = Flight(cluster, journal, tasks=TASKS, at_once=AT_ONCE, submitters=SUBMITTERS, pause_seconds=PAUSE_SECONDS)
    assault = Assault(cluster, private_servers, journal)
    flight.start()
    try:
        _attack(assault)
        flight.land(ANSWERED_SECONDS)
        ids = {one.task_id for one in flight.answered}
        wait_for(lambda: _all_final(cluster.read(task_records), ids), FINAL_SECONDS)
        wait_for(lambda: cluster.read(counted) == _told(cluster), COUNTED_SECONDS)
    finally:
        print("\n" + "\n".join(assault.deeds))
    found = _look(cluster, flight, assault, journal)
    _print_counts(found)
    return found


def _attack(assault: Assault) -> None:
    assault.kill_service("scheduler-1")
    assault.kill_bot("alone-1", comes_back=False)
    assault.kill_service("botgateway-1")
    assault.kill_bot("alone-2", comes_back=True)
    assault.kill_service("frontend-1")
    assault.kill_service("scheduler-2")
    assault.empty_rabbitmq()
    assault.kill_service("botgateway-2")
    assault.kill_bot("alone-3", comes_back=True)
    assault.kill_service("frontend-2")
    assault.empty_redis()
    assault.kill_service("stats-1")
    assault.restart_postgres()
    assault.kill_bot("alone-4", comes_back=True)


def test_every_answered_task_has_one_final_state(aftermath: Aftermath):
    states = {one.label: _state(aftermath, one) for one in aftermath.answered}

    assert {label: state for label, state in states.items() if state is None or not state.is_final} == {}
    may_die = {
        label for label, runs in aftermath.executions.items() if {run.bot_id for run in runs} <= aftermath.killed_bots
    }
    unexpected = {
        label: state.name
        for label, state in states.items()
        if state is not None
        and state is not TaskState.COMPLETED
        and not (state is TaskState.BOT_DIED and label in may_die)
    }
    assert unexpected == {}


def test_a_submission_that_was_repeated_made_one_task(aftermath: Aftermath):
    assert len(aftermath.answered) == TASKS
    assert {name: times for name, times in Counter(aftermath.names).items() if times > 1} == {}
    assert sorted(aftermath.names) == sorted(one.label for one in aftermath.answered)


def test_every_process_ran_once_but_for_those_of_killed_bots(aftermath: Aftermath):
    again = {
        label: runs
        for label, runs in aftermath.executions.items()
        if any(run.bot_id not in aftermath.killed_bots for run in runs[:-1])
    }
    assert again == {}
    assert {label: runs for label, runs in aftermath.executions.items() if len(runs) > 2} == {}


def test_no_two_processes_of_a_task_ran_at_once(aftermath: Aftermath):
    found = {label: overlaps(runs) for label, runs in aftermath.executions.items()}

    assert {label: pairs for label, pairs in found.items() if pairs} == {}


def test_every_completed_task_ran_to_its_end_on_the_bot_that_its_result_names(aftermath: Aftermath):
    wrong = {}
    for one in aftermath.answered:
        record, runs = aftermath.records.get(one.task_id), aftermath.executions.get(one.label, [])
        if record is None or record.state is not TaskState.COMPLETED:
            continue
        last = record.runs[-1]
        ended = [run.bot_id for run in runs if run.ended is not None and run.run_id.endswith(str(last.run_number))]
        if last.bot_id not in ended or last.exit_code != 0:
            wrong[one.label] = (last.bot_id, last.exit_code, runs)
    assert wrong == {}


def test_the_events_are_complete(aftermath: Aftermath):
    states = {task_id: record.state for task_id, record in aftermath.records.items()}

    assert faults_in_numbers(aftermath.events) == []
    assert faults_in_stories(aftermath.events, states, task_of_row) == []


def test_every_event_is_counted_once(aftermath: Aftermath):
    assert aftermath.counts == dict(Counter(row.name for row in aftermath.events))


def test_the_system_goes_on_as_if_nothing_had_happened(aftermath: Aftermath, cluster: Cluster):
    del aftermath
    client = cluster.client()

    ids = [client.new_task(NewTask(command=["true"])).task_id for _ in range(30)]

    results = [client.wait(task_id, timeout_secs=GO_ON_SECONDS) for task_id in ids]
    assert Counter(result.state for result in results) == {"COMPLETED": 30}


def _state(found: Aftermath, one: Answered) -> TaskState | None:
    record = found.records.get(one.task_id)
    return None if record is None else record.state


def _all_final(records: dict[str, TaskRecord], ids: set[str]) -> bool:
    return all(task_id in records and records[task_id].state.is_final for task_id in ids)


def _told(cluster: Cluster) -> dict[str, int]:
    return dict(Counter(row.name for row in cluster.read(event_rows)))


def _look(cluster: Cluster, flight: Flight, assault: Assault, journal: Journal) -> Aftermath:
    names = cluster.read(lambda c: list(c.execute(select(task_request.c.name)).scalars()))
    return Aftermath(
        answered=flight.answered,
        killed_bots=assault.killed_bots,
        names=names,
        records=cluster.read(task_records),
        executions=journal.executions(),
        events=list(cluster.read(event_rows)),
        counts=cluster.read(counted),
    )


def _print_counts(found: Aftermath) -> None:
    states = Counter(record.state.name for record in found.records.values())
    runs: dict[int, int] = defaultdict(int)
    for executions in found.executions.values():
        runs[len(executions)] += 1
    slowest = sorted((one.seconds for one in found.answered), reverse=True)[:3]
    print(f"answered {len(found.answered)}, slowest {[f'{seconds:.1f} s' for seconds in slowest]}")
    print(f"states {dict(states)}; processes per task {dict(runs)}")
    print(f"events {dict(Counter(row.name for row in found.events))}")
