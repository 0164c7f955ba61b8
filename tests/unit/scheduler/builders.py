"""Builders for a shard's memory; they hide what does not matter to a test."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from swarming_common.hints.gateway import RunAssigned
from swarming_common.hints.scheduler import BidAccepted, Offer, Report
from swarming_common.model.dimensions import Requirements, requirements
from swarming_common.model.reports import ReportKind
from swarming_common.model.request import TaskProperties, TaskRequest, TaskSlice
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, new_task_id
from swarming_scheduler.assignment import run_assigned
from swarming_scheduler.capacity import Capacity, SeenBot
from swarming_scheduler.changes import Changes, LateCost
from swarming_scheduler.rules import Rules
from swarming_scheduler.state import LiveRun, LiveTask, ShardState, Twin, Undecided
from swarming_scheduler.store import StoredRequest
from swarming_scheduler.usecases.bid import accept_bid
from swarming_scheduler.usecases.choose_slice import decide
from swarming_scheduler.usecases.hand_out import settle_revoked
from swarming_scheduler.usecases.offer import take_offer
from swarming_scheduler.usecases.report import take_report
from swarming_scheduler.usecases.take_in import take_in

BEGINNING = datetime(2026, 11, 23, 12, tzinfo=UTC)
RULES = Rules(confirm_seconds=70, silence_margin_seconds=30, bot_death_timeout_secs=600)


def a_request(*, priority: int = 100, tolerance: int = 60, slices: tuple[TaskSlice, ...] = ()) -> TaskRequest:
    return TaskRequest(
        name="a task",
        priority=priority,
        authenticated="anonymous:anonymous",
        task_slices=slices or (a_slice(),),
        bot_ping_tolerance_secs=tolerance,
    )


def a_slice(
    *, expiration_secs: int = 300, waits: bool = False, properties_hash: str = "", **dimensions: str
) -> TaskSlice:
    asked = requirements({"pool": "default", **dimensions}.items())
    properties = TaskProperties(
        command=("true",), dimensions=asked, execution_timeout_secs=60, idempotent=bool(properties_hash)
    )
    return TaskSlice(
        properties=properties,
        expiration_secs=expiration_secs,
        wait_for_capacity=waits,
        properties_hash=properties_hash,
    )


def a_bot(bot_id: str, *, last_seen: datetime = BEGINNING, **dimensions: tuple[str, ...]) -> SeenBot:
    return SeenBot(bot_id, {"id": (bot_id,), "pool": ("default",)} | dimensions, last_seen)


class Boundless(Capacity):
    """Some bot could run anything; so a test need not make it known before."""

    def has(self, asked: Requirements, seen_after: datetime | None) -> bool:
        return True


@dataclass
class World:
    """A shard's memory with a clock that a test moves, and a stand-in for the commit: `told` is what it would tell."""

    state: ShardState = field(default_factory=lambda: ShardState(7, RULES, capacity=Boundless()))
    now: datetime = BEGINNING
    requests: dict[TaskId, TaskRequest] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    sent: list[RunAssigned] = field(default_factory=list)
    revoked: list[tuple[LiveTask, LiveRun]] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    late_costs: list[LateCost] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def submit(self, request: TaskRequest | None = None) -> LiveTask:
        request = request or a_request()
        task_id = new_task_id(self.now, next(self._numbers))
        self.requests[task_id] = request
        take_in(self.state, task_id, self.now, request, self.now)
        task = self.state.tasks.get(task_id) or self.state.changes.tasks[task_id]
        self.commit()
        return task

    def offer(
        self, bot_id: str = "bot1", offer_id: str | None = None, *, wants_bid: bool = False, **dimensions: str
    ) -> Offer:
        offer = Offer(
            offer_id=offer_id or f"offer{next(self._numbers)}",
            bot_id=bot_id,
            gateway_id="gateway1",
            dimensions={"id": (bot_id,), "pool": ("default",)} | {key: (one,) for key, one in dimensions.items()},
            bot_version="v1",
            wants_bid=wants_bid,
        )
        take_offer(self.state, offer, self.now)
        self.commit()
        return offer

    def bids(self) -> list[tuple[str, TaskId | None]]:
        """What was answered to gateways since the last call: for which bot, with which task."""
        made, self.state.answers = self.state.answers, []
        return [(one.bot_id, None if one.rank is None else one.rank[1]) for _, one in made]

    def accept(self, offer: Offer, next_best: tuple[int, TaskId] | None = None) -> None:
        """The gateway of this offer takes the bid."""
        accepted = BidAccepted(offer_id=offer.offer_id, bot_id=offer.bot_id, next_best=next_best)
        accept_bid(self.state, accepted, self.now)
        self.commit()

    def running(self, bot_id: str = "bot1", request: TaskRequest | None = None) -> tuple[LiveTask, LiveRun]:
        task = self.submit(request)
        self.offer(bot_id)
        assert task.run is not None
        return task, task.run

    def report(self, run: LiveRun, kind: ReportKind = ReportKind.FINISHED, **facts: Any) -> None:
        report = Report(kind=kind, created_ts=self.now, **facts)
        take_report(self.state, run.run_id.task_id, run.run_id.number, run.bot_id, report, self.now)
        self.commit()

    def settle(self, *said: ReportKind) -> None:
        """The second step of every revocation that is under way; its bot said this meanwhile."""
        reports = [Report(kind=kind, created_ts=self.now, exit_code=0, duration=1.0) for kind in said]
        for task, run in self.revoked:
            settle_revoked(self.state, task, run, reports, self.now)
        self.revoked = []
        self.commit()

    def decide(self, *bots: SeenBot, twins: Mapping[str, Twin] | None = None) -> None:
        """What the tables say: these are all the bots, and these are twins. Undecided tasks go on."""
        while self.undecided:
            undecided, self.undecided = self.undecided, []
            self.state.capacity.replace(bots, self.now)
            for one in undecided:
                decide(self.state, one, twins or {}, self.now)
            self.commit()

    def commit(self) -> None:
        changes, self.state.changes = self.state.changes, Changes()
        self.told += [one.fact.name for one in changes.in_packs()]
        self.revoked += changes.revoked
        self.undecided += changes.undecided
        self.late_costs += changes.late_costs
        for run in changes.assigned:
            if run.state is TaskState.RUNNING and not run.is_confirmed and run.revoking is None:
                stored = StoredRequest(self.requests[run.run_id.task_id].model_dump(mode="json"), None)
                run.assignment = run_assigned(self.state, run, stored)
                self.sent.append(run.assignment)
        self.sent += [hint for _, hint in changes.hints if isinstance(hint, RunAssigned)]

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
