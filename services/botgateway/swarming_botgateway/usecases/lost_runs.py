"""Say that a bot came back without its runs."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from sqlalchemy import Connection

from swarming_botgateway.bot_facts import UnfinishedRun
from swarming_botgateway.metrics import RUNS_LOST
from swarming_botgateway.sessions import Session
from swarming_botgateway.store.updates import RunUpdate, write_updates
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import Report, RunReported
from swarming_common.hints.wire import Hint
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId

log = structlog.get_logger(__name__)

REMEMBERED_IDLE_RUNS = 20_000


@dataclass(frozen=True, slots=True)
class LostRun:
    """A run that its bot does not know any more, and the report that says so."""

    run: RunId
    shard: int
    bot_id: str
    report: Report


def lost_at_handshake(unfinished: Sequence[UnfinishedRun], session: Session) -> list[UnfinishedRun]:
    """The confirmed runs of other processes than the one that shakes hands, which starts empty-handed."""
    return [
        one
        for one in unfinished
        if one.is_confirmed and not (one.confirmed_by is not None and one.confirmed_by.is_same_process(session))
    ]


@dataclass(kw_only=True)
class LostAtPoll:
    """Decides which runs a poll shows to be lost.

    A run that an older process confirmed is lost at once. One that the polling process confirmed itself is lost when
    the bot still polls without having ended it `grace_seconds` later: a bot sends one request after another, but its
    final update, whose answer it did not wait for, may still be under way at some gateway (bot-api.md section 11).
    """

    grace_seconds: float
    monotonic: Callable[[], float]
    _idle_since: "OrderedDict[tuple[str, RunId], float]" = field(default_factory=OrderedDict)
    """When a bot first polled here with this run unfinished, in monotonic seconds."""

    def __call__(self, bot_id: str, session: Session, unfinished: Sequence[UnfinishedRun]) -> list[UnfinishedRun]:
        """The runs of this bot that are lost."""
        return [one for one in unfinished if one.is_confirmed and self._is_lost(bot_id, session, one)]

    def _is_lost(self, bot_id: str, session: Session, one: UnfinishedRun) -> bool:
        if one.confirmed_by is not None and not one.confirmed_by.is_same_process(session):
            return session.is_newer(one.confirmed_by)
        now = self.monotonic()
        since = self._idle_since.setdefault((bot_id, one.run), now)
        if now - since < self.grace_seconds:
            if len(self._idle_since) > REMEMBERED_IDLE_RUNS:
                self._idle_since.popitem(last=False)
            return False
        del self._idle_since[bot_id, one.run]
        return True


def write_lost_runs(connection: Connection, bot_id: str, lost: Sequence[UnfinishedRun], now: datetime) -> list[LostRun]:
    """Report them, except those that have ended meanwhile; repeatable."""
    found = [LostRun(one.run, one.shard, bot_id, _report(now)) for one in lost]
    updates = [RunUpdate(run=one.run, bot_id=bot_id, session=None, output=None, report=one.report) for one in found]
    verdicts = write_updates(connection, updates)
    return [one for one, verdict in zip(found, verdicts, strict=True) if verdict.is_accepted]


def tell_lost_runs(send: Callable[[str, Hint], None], lost: Sequence[LostRun]) -> None:
    """Tell their shards, once it is written."""
    for one in lost:
        RUNS_LOST.inc()
        log.warning("run_lost", run_id=str(one.run), bot_id=one.bot_id)
        hint = RunReported(task_id=one.run.task_id, run_number=one.run.number, bot_id=one.bot_id, report=one.report)
        send(addresses.shard(one.shard), hint)


def _report(now: datetime) -> Report:
    return Report(kind=ReportKind.LOST, created_ts=now, message="The bot came back without this run.")
