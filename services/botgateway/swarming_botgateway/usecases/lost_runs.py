"""Say that a bot came back without its runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


def lost_at_poll(unfinished: Sequence[UnfinishedRun], session: Session) -> list[UnfinishedRun]:
    """The runs confirmed by an older process than the one that polls. The same process may yet report the end."""
    return [one for one in unfinished if one.confirmed_by is not None and session.is_newer(one.confirmed_by)]


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
