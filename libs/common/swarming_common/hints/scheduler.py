"""What the scheduler reads."""

from datetime import datetime

from pydantic import Field

from swarming_common.hints.wire import Hint
from swarming_common.model.reports import ReportKind
from swarming_common.model.request import TaskRequest
from swarming_common.model.task_id import TaskId


class TaskSubmitted(Hint):
    """A request was written. It carries the request, which never changes."""

    task_id: TaskId
    created_ts: datetime
    request: TaskRequest


class CommandGiven(Hint):
    """A row was written to `command` for this shard; read it there."""

    command_id: str


class CommandsGiven(Hint):
    """Many rows were written to `command`, some of them for this shard; the feed has them."""


class ChildSubmitted(Hint):
    """A task of another shard was submitted that is to end with this one of yours."""

    parent_task_id: TaskId
    shard: int


class ParentEnded(Hint):
    """A task of another shard ended, or is being killed, and its children are to end with it."""

    task_id: TaskId


class WhyAsked(Hint):
    """Somebody wants to know why a task is still pending; answer the frontend `reply_to`. Changes nothing."""

    question_id: str
    task_id: TaskId
    reply_to: str


class Offer(Hint):
    """A bot that waits for work: one held poll."""

    offer_id: str
    bot_id: str
    gateway_id: str
    dimensions: dict[str, tuple[str, ...]]
    bot_version: str
    idle_since: datetime | None = None
    wants_bid: bool = False
    """The bot is offered to other shards, too: answer with a bid (`BidMade`), and assign only what is accepted."""


class OfferMade(Hint):
    """A gateway holds a poll of this bot open."""

    offer: Offer


class OfferWithdrawn(Hint):
    """A poll is not held any more and got no run from this shard."""

    offer_id: str
    bot_id: str


class BidAccepted(Hint):
    """Of the bids for this bot yours is the best: assign the first task that it can run.

    `next_best` is the rank of the second bid. If the shard's own first task comes after it by now, the shard makes
    another bid instead.
    """

    offer_id: str
    bot_id: str
    next_best: tuple[int, TaskId] | None = None


class OffersHeld(Hint):
    """Offers that this gateway holds for this shard: all of them, in one or several hints, since thousands would be too
    much for one."""

    gateway_id: str
    offers: tuple[Offer, ...]
    held: tuple[str, ...] | None = None
    """The ids of all of them, in the first: any other of its offers is gone."""


class RunDeclined(Hint):
    """A run reached its gateway for an offer that was already closed with another answer, or whose bot had gone."""

    task_id: TaskId
    run_number: int
    offer_id: str


class Report(Hint):
    """What is known of a run's end or beginning; the fields of `run_report`."""

    kind: ReportKind
    created_ts: datetime
    exit_code: int | None = None
    duration: float | None = None
    hard_timeout: bool = False
    io_timeout: bool = False
    cost_usd: float | None = None
    message: str | None = None
    details: dict[str, object] = Field(default_factory=dict)


class RunReported(Hint):
    """A row was written to `run_report`. It carries the report, which never changes."""

    task_id: TaskId
    run_number: int
    bot_id: str
    report: Report


class RunsHeard(Hint):
    """Runs whose bots spoke to a gateway since its last word, as (task id, run number)."""

    runs: tuple[tuple[TaskId, int], ...]
    costs_usd: tuple[float | None, ...] = ()
    """What each of them has cost so far, as its bot says; None where it did not say."""


class SchedulerAlive(Hint):
    """A scheduler process beats once a second; `leaving` asks the others to take over at once."""

    scheduler_id: str
    leaving: bool = False


class ShardReleased(Hint):
    """An owner let go of a shard; whoever should own it need not wait for its next try."""

    shard: int
