"""Give a bot that has no CIPD no run that needs it: such a run ends at once, as our own bots end it.

Upstream's bot would tell such a run as COMPLETED with exit code 2, the exit code of its task runner's usage error.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from swarming_botgateway.store.updates import Output, RunUpdate
from swarming_botgateway.usecases.poll import Run, Sleep
from swarming_botgateway.usecases.report import ReportRun
from swarming_common.hints.gateway import RunAssigned
from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId

log = structlog.get_logger(__name__)

NO_CIPD = "cipd_input: this bot has no CIPD client, so the packages cannot be installed; the task needs a bot that has"


@dataclass(frozen=True, slots=True)
class RefuseInputs:
    """Looks at what a bot without CIPD and CAS is about to be given."""

    report: ReportRun

    async def __call__(self, run: Run, session: str, now: datetime) -> Run | Sleep:
        """The run, or what to answer instead after it was ended as CLIENT_ERROR. Raises DatabaseAway."""
        if (missing := _packages(run.assigned)) is None:
            return _without_outputs(run)
        assigned = run.assigned
        update = RunUpdate(
            run=RunId(assigned.task_id, assigned.run_number),
            bot_id=assigned.bot_id,
            session=session,
            output=Output(0, f"{NO_CIPD}\n".encode()),
            report=Report(kind=ReportKind.FAILED, created_ts=now, message=NO_CIPD, details={"missing_cipd": missing}),
        )
        await self.report(update, now)
        log.info("run_refused", run_id=str(update.run), bot_id=assigned.bot_id, reason=NO_CIPD)
        return Sleep(0)


def _packages(assigned: RunAssigned) -> list[dict[str, str]] | None:
    cipd = assigned.properties.cipd_input
    return [one.model_dump() for one in cipd.packages] if cipd is not None and cipd.packages else None


def _without_outputs(run: Run) -> Run:
    """A run without a CAS returns no files. Upstream's bot would try to, and end in an internal failure of its own."""
    properties = run.assigned.properties
    if properties.cas_input_root is not None or not properties.outputs:
        return run
    without = run.assigned.model_copy(update={"properties": properties.model_copy(update={"outputs": ()})})
    return replace(run, assigned=without)
