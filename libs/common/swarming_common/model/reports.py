"""What a bot says of its run: the kinds of `run_report`."""

from enum import StrEnum


class ReportKind(StrEnum):
    """Each kind is told at most once by a bot for a run; the first of the ending ones wins."""

    CONFIRMED = "confirmed"
    """The first update came: the bot has the run."""
    FINISHED = "finished"
    """The process ended, or was stopped by a timeout or a kill."""
    CANCELED = "canceled"
    """The bot was told to stop before it started the process."""
    FAILED = "failed"
    """The bot itself failed (task_error); `message` says how, `details` names missing inputs."""
    LOST = "lost"
    """The bot is back without the run."""
    LATE = "late"
    """The bot, whose run had been given up for its silence, told how it ended: the run keeps its cost, no more."""

    @property
    def ends_the_run(self) -> bool:
        """Whether the run is over with this report."""
        return self not in (ReportKind.CONFIRMED, ReportKind.LATE)

    @property
    def code(self) -> int:
        """What the table holds."""
        return REPORT_KIND_CODES[self]


REPORT_KIND_CODES: dict[str, int] = {
    ReportKind.CONFIRMED: 1,
    ReportKind.FINISHED: 2,
    ReportKind.CANCELED: 3,
    ReportKind.FAILED: 4,
    ReportKind.LOST: 5,
    ReportKind.LATE: 6,
}
"""As the table holds the kinds; no code is ever given to another kind."""


TRY_ELSEWHERE = "try_elsewhere"
"""Set in the details of a FAILED report when the fault is the machine's: the task is tried on another bot."""
