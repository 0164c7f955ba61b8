"""All that is known of a flight when the dust has settled."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from swarming_common.database.tables import task_request
from swarming_common.model.states import TaskState
from tests.chaos.assault import Assault, wait_for
from tests.chaos.flight import Answered, Flight
from tests.cluster import Deployment
from tests.cluster.records import TaskRecord, counted, event_rows, task_records
from tests.cluster.workload import Execution

ANSWERED_SECONDS = 120.0
FINAL_SECONDS = 120.0
COUNTED_SECONDS = 60.0
"""The statistics compare their cursors with the table every 30 s."""


@dataclass(frozen=True)
class Aftermath:
    """What users were answered, what the tables say, and what the tasks themselves wrote down."""

    deployment: Deployment
    answered: list[Answered]
    killed_bots: set[str]
    names: list[str]
    """Of all requests that were written."""
    records: dict[str, TaskRecord]
    """By task id."""
    executions: dict[str, list[Execution]]
    """By label."""
    events: list[Any]
    counts: dict[str, int]

    def state_of(self, one: Answered) -> TaskState | None:
        """How its task stands; None if it was never taken in."""
        record = self.records.get(one.task_id)
        return None if record is None else record.state


def settle(flight: Flight, assault: Assault) -> Aftermath:
    """Wait until all has ended or should have, print what was done and what came of it, and look at everything."""
    deployment = assault.deployment
    print("\n" + "\n".join(assault.deeds))
    flight.land(ANSWERED_SECONDS)
    ids = {one.task_id for one in flight.answered}
    wait_for(lambda: _all_final(deployment.read(task_records), ids), FINAL_SECONDS)
    wait_for(lambda: deployment.read(counted) == _told(deployment), COUNTED_SECONDS)
    found = Aftermath(
        deployment=deployment,
        answered=flight.answered,
        killed_bots=assault.killed_bots,
        names=deployment.read(lambda c: list(c.execute(select(task_request.c.name)).scalars())),
        records=deployment.read(task_records),
        executions=assault.journal.executions(),
        events=list(deployment.read(event_rows)),
        counts=deployment.read(counted),
    )
    _print_counts(found)
    return found


def _all_final(records: dict[str, TaskRecord], ids: set[str]) -> bool:
    return all(task_id in records and records[task_id].state.is_final for task_id in ids)


def _told(deployment: Deployment) -> dict[str, int]:
    return dict(Counter(row.name for row in deployment.read(event_rows)))


def _print_counts(found: Aftermath) -> None:
    states = Counter(record.state.name for record in found.records.values())
    processes = Counter(len(executions) for executions in found.executions.values())
    slowest = sorted((one.seconds for one in found.answered), reverse=True)[:3]
    print(f"answered {len(found.answered)}, slowest {[f'{seconds:.1f} s' for seconds in slowest]}")
    print(f"states {dict(states)}; processes per task {dict(processes)}")
    print(f"events {dict(Counter(row.name for row in found.events))}")
