"""A bot reports on its run: output, life signs, its end. Written first, then told, then answered."""

from collections import OrderedDict
from dataclasses import dataclass, field, replace
from datetime import datetime

import structlog

from swarming_botgateway.heard import Heard
from swarming_botgateway.metrics import OUTPUT_BYTES, UPDATES
from swarming_botgateway.presence import Presence
from swarming_botgateway.store.updates import Output, RunUpdate, Verdict, late_report
from swarming_botgateway.usecases.judge_failures import JudgeFailures
from swarming_common.bus.port import Bus
from swarming_common.cache.port import Cache
from swarming_common.database.group_commit import GroupCommit
from swarming_common.database.group_read import GroupRead
from swarming_common.database.port import Database
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import Report, RunReported
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId

log = structlog.get_logger(__name__)

MAX_OUTPUT_BYTES = 104_857_600
"""What is kept of a run's output; the rest is dropped."""

CONFIRMED_REMEMBERED = 20_000


@dataclass(frozen=True, slots=True)
class Taken:
    """The update is stored, or was before; `must_stop` if the task is to be killed, or the run was given up."""

    must_stop: bool


@dataclass(frozen=True, slots=True)
class NotItsRun:
    """The run is not this bot's, or not any more: nothing was stored, and the bot must stop it."""


ReportAnswer = Taken | NotItsRun


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRun:
    """Serves updates and errors of runs."""

    database: Database
    updates: GroupCommit[RunUpdate, Verdict]
    revoked: GroupRead[tuple[RunId, str], bool]
    bus: Bus
    cache: Cache
    heard: Heard
    presence: Presence
    judge: JudgeFailures
    confirmed: OrderedDict[tuple[RunId, str], float | None] = field(default_factory=OrderedDict)
    """Runs and bots whose confirmation is known to be written: saves writing it with each update. With the newest cost,
    which a bot that fails does not say again."""

    async def __call__(self, update: RunUpdate, now: datetime) -> ReportAnswer:
        """Durable once it returns. Raises DatabaseAway, and DataRejected for what the database cannot hold."""
        update = self._with_what_is_known(_within_limit(update), now)
        verdict = await self.updates.submit(update)
        if verdict.is_late and verdict.shard is not None:
            return self._kept_late(update, verdict.shard)
        if not verdict.is_accepted or verdict.shard is None or await self._was_taken_back(update):
            UPDATES.labels("refused").inc()
            log.info("update_refused", run_id=str(update.run), bot_id=update.bot_id, state=verdict.state)
            return NotItsRun()
        self._tell(update, verdict.shard)
        self._note(update, verdict, now)
        if update.report is not None and update.report.kind is ReportKind.FAILED:
            await self.judge(update.bot_id, now)
        return Taken(must_stop=verdict.killing and not verdict.is_repeat)

    def _kept_late(self, update: RunUpdate, shard: int) -> ReportAnswer:
        UPDATES.labels("late").inc()
        self._tell(replace(update, report=late_report(update.report)), shard)
        return Taken(must_stop=True)

    def _with_what_is_known(self, update: RunUpdate, now: datetime) -> RunUpdate:
        key, report = (update.run, update.bot_id), update.report
        if report is not None and report.kind is ReportKind.FAILED:
            return replace(update, report=report.model_copy(update={"cost_usd": self.confirmed.get(key)}))
        if report is not None or key in self.confirmed:
            return update
        confirmation = Report(kind=ReportKind.CONFIRMED, created_ts=now, cost_usd=update.cost_usd)
        return replace(update, report=confirmation)

    async def _was_taken_back(self, update: RunUpdate) -> bool:
        """Look again after a confirmation, where the run may have been revoked while it was being written."""
        if update.report is None or update.report.kind is not ReportKind.CONFIRMED or self.database.dialect == "sqlite":
            return False  # on SQLite commits come one after another, and the one that wrote this has looked
        return await self.revoked.submit((update.run, update.bot_id))

    def _tell(self, update: RunUpdate, shard: int) -> None:
        if update.report is not None:
            hint = RunReported(
                task_id=update.run.task_id,
                run_number=update.run.number,
                bot_id=update.bot_id,
                report=update.report,
            )
            self.bus.send(addresses.shard(shard), hint)
        if update.output is not None:
            self.cache.announce(f"task:{update.run.task_id:x}")

    def _note(self, update: RunUpdate, verdict: Verdict, now: datetime) -> None:
        UPDATES.labels("taken").inc()
        self.presence.see(update.bot_id, now)
        self.presence.is_busy(update.bot_id)
        if update.output is not None:
            OUTPUT_BYTES.inc(len(update.output.content))
        key = (update.run, update.bot_id)
        if update.report is not None and update.report.kind.ends_the_run:
            self.confirmed.pop(key, None)
            return
        if verdict.shard is not None:
            self.heard.note(verdict.shard, update.run, update.cost_usd)
        self.confirmed[key] = self.confirmed.get(key) if update.cost_usd is None else update.cost_usd
        if len(self.confirmed) > CONFIRMED_REMEMBERED:
            self.confirmed.popitem(last=False)


def _within_limit(update: RunUpdate) -> RunUpdate:
    output = update.output
    if output is None or output.start + len(output.content) <= MAX_OUTPUT_BYTES:
        return update
    kept = output.content[: max(0, MAX_OUTPUT_BYTES - output.start)]
    return replace(update, output=Output(output.start, kept) if kept else None)
