"""SIGTERM of a service while it is in use: nothing is lost, and what remains goes on at once."""

import itertools
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from swarming_client import NewTask
from tests.cluster import Cluster
from tests.cluster.workload import Journal
from tests.end_to_end.conftest import ALL_SERVERS

pytestmark = [ALL_SERVERS, pytest.mark.timeout(110)]

SUBMITTERS = 3
TASK_SECONDS = 0.2
PAUSE_SECONDS = 0.4
STOP_SECONDS = 20.0
GO_ON_SECONDS = 20.0
"""Far below the 45 s of a held poll and the 70 s after which an unconfirmed run is taken back."""
ALL_DONE_SECONDS = 30.0


class Stream:
    """Tasks submitted one after the other by a few threads while the context is open."""

    def __init__(self, cluster: Cluster, journal: Journal) -> None:
        self.submitted: dict[str, str] = {}
        """Label by task id."""
        self._client = cluster.client()
        self._journal = journal
        self._numbers = itertools.count()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._submit) for _ in range(SUBMITTERS)]

    def __enter__(self) -> "Stream":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Submit nothing more; returns when all that was submitted is accepted. Repeats safely."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int) -> None:
        """Return when so many more tasks were accepted."""
        wanted = len(self.submitted) + count
        deadline = time.monotonic() + GO_ON_SECONDS
        while len(self.submitted) < wanted:
            assert time.monotonic() < deadline, f"submissions stopped: {len(self.submitted)} accepted"
            time.sleep(0.01)

    def _submit(self) -> None:
        while not self._stopping.is_set():
            label = f"task-{next(self._numbers)}"
            task = NewTask(command=self._journal.command(label, TASK_SECONDS), name=label, wait_for_capacity=True)
            self.submitted[self._client.new_task(task).task_id] = label
            self._stopping.wait(PAUSE_SECONDS)


@pytest.fixture
def stream(cluster: Cluster, tmp_path) -> Iterator[Stream]:
    with Stream(cluster, Journal(tmp_path / "journal")) as running:
        running.wait_for_more(5)
        yield running


@pytest.mark.parametrize("name", ["botgateway-1", "frontend-1", "scheduler-1", "scheduler-2"])
def test_a_service_that_is_stopped_in_order_loses_nothing(cluster: Cluster, stream: Stream, tmp_path, name):
    program = cluster.services[name]

    program.signal(signal.SIGTERM)
    status = program.wait(STOP_SECONDS)
    submitted_at = time.monotonic()
    last = cluster.client().new_task(NewTask(command=["true"], priority=50))
    cluster.client().wait(last.task_id, timeout_secs=GO_ON_SECONDS)
    went_on_within = time.monotonic() - submitted_at
    cluster.restart(name)
    stream.wait_for_more(5)
    stream.stop()

    assert status == 0
    assert went_on_within < GO_ON_SECONDS
    client = cluster.client()
    results = [client.wait(task_id, timeout_secs=ALL_DONE_SECONDS) for task_id in stream.submitted]
    assert {result.task_id: result.state for result in results if result.state != "COMPLETED"} == {}
    executions = Journal(tmp_path / "journal").executions()
    assert {label: len(runs) for label, runs in executions.items() if len(runs) != 1} == {}
    assert executions.keys() == set(stream.submitted.values())
