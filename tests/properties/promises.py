"""What must hold, whatever happens. Each promise is checked where it could first be seen to be broken."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from swarming_common.model.reports import ReportKind
from swarming_common.model.request import TaskRequest
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import LAST_RUN_NUMBER, TaskId

Row = dict[str, Any]

_ENDED_BY_RUN = {
    TaskState.COMPLETED,
    TaskState.TIMED_OUT,
    TaskState.KILLED,
    TaskState.BOT_DIED,
    TaskState.CLIENT_ERROR,
}
_REPORTED_END = {TaskState.COMPLETED, TaskState.TIMED_OUT, TaskState.KILLED}
FINAL_EVENTS = {
    "task.completed": TaskState.COMPLETED,
    "task.timed_out": TaskState.TIMED_OUT,
    "task.killed": TaskState.KILLED,
    "task.bot_died": TaskState.BOT_DIED,
    "task.client_error": TaskState.CLIENT_ERROR,
    "task.canceled": TaskState.CANCELED,
    "task.expired": TaskState.EXPIRED,
    "task.no_resource": TaskState.NO_RESOURCE,
    "task.deduped": TaskState.COMPLETED,
}


TWIN_EVENT = "task.deduped"
_FIRST_EVENTS = {"task.queued", TWIN_EVENT, "task.no_resource"}


class PromiseBroken(AssertionError):
    """A promise, by its name, and how it was broken."""

    def __init__(self, promise: str, how: str) -> None:
        super().__init__(f"{promise}: {how}")
        self.promise = promise


def hold(is_kept: bool, promise: str, how: object = "") -> None:
    """Raise PromiseBroken unless it is kept."""
    if not is_kept:
        raise PromiseBroken(promise, str(how))


@dataclass(eq=False, slots=True)
class Process:
    """A process of a task that is alive on a machine."""

    task_id: int
    run_number: int
    bot_id: str
    exit_code: int
    """Another for each process, so that a result can be told from every other."""


@dataclass(frozen=True, slots=True)
class AnsweredEnd:
    """A report that ended a run, and was answered as taken."""

    kind: ReportKind
    exit_code: int | None


@dataclass
class Promises:
    """What was seen so far, to hold the next thing against."""

    said: Callable[[int, int, str], Sequence[tuple[str, int | None]]]
    """What a bot said of a run, as the rows have it: kinds of reports, and exit codes."""
    retries_of: Callable[[int], int]
    """How often a task may be tried again."""
    submitted: dict[TaskId, TaskRequest] = field(default_factory=dict)
    alive: dict[int, Process] = field(default_factory=dict)
    """By task: the one process that may be alive."""
    answered: dict[tuple[int, int, str], AnsweredEnd] = field(default_factory=dict)
    last_seq: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    relayed_seq: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    events: dict[int, list[str]] = field(default_factory=lambda: defaultdict(list))
    """The names of each task's events."""
    results: dict[int, Row] = field(default_factory=dict)
    runs: dict[int, dict[int, Row]] = field(default_factory=lambda: defaultdict(dict))
    live: dict[int, dict[int, None]] = field(default_factory=lambda: defaultdict(dict))
    """By shard: the tasks with a row that says that they are live."""

    # --- processes ----------------------------------------------------------------------------------------------

    def process_started(self, process: Process) -> None:
        """Called by machines."""
        other = self.alive.get(process.task_id)
        hold(other is None, "no task runs twice at once", f"{process} while {other}")
        self.alive[process.task_id] = process

    def process_ended(self, process: Process) -> None:
        """Called by machines; a process ends once."""
        if self.alive.get(process.task_id) is process:
            del self.alive[process.task_id]

    # --- rows ---------------------------------------------------------------------------------------------------

    def check_write(self, results: Sequence[Row], runs: Sequence[Row], events: Sequence[Row]) -> None:
        """These rows were written in one commit."""
        for row in runs:
            self._check_run(row)
            self.runs[row["task_id"]][row["run_number"]] = row
        for row in events:
            self._check_event(row)
        for row in results:
            self._check_result(row)
            self.results[row["task_id"]] = row
            if TaskState(row["state"]).is_final:
                self.live[row["shard"]].pop(row["task_id"], None)
            else:
                self.live[row["shard"]][row["task_id"]] = None

    def check_relayed(self, shard: int, seq: int) -> None:
        """An event reached the exchange; some come again after a takeover."""
        hold(seq <= self.relayed_seq[shard] + 1, "events are relayed in order", (shard, self.relayed_seq[shard], seq))
        hold(seq <= self.last_seq[shard], "events are relayed when they are written", (shard, seq))
        self.relayed_seq[shard] = max(self.relayed_seq[shard], seq)

    def _check_run(self, row: Row) -> None:
        runs = self.runs[row["task_id"]]
        old = runs.get(row["run_number"])
        if old is None:
            hold(row["run_number"] == max(runs, default=0) + 1, "runs are numbered densely", row)
        else:
            self._check_change_of_run(old, row)
        self._check_bot(row)
        end = self.answered.get((row["task_id"], row["run_number"], row["bot_id"]))
        if end is not None and end.kind is ReportKind.FINISHED and row["state"] != TaskState.RUNNING:
            is_kept = TaskState(row["state"]) in _REPORTED_END and row["exit_code"] == end.exit_code
            hold(is_kept, "an answered result is never lost", f"{end} but {row}")

    def _check_change_of_run(self, old: Row, row: Row) -> None:
        was, newest = TaskState(old["state"]), max(self.runs[row["task_id"]])
        if was.is_final:
            hold(row["state"] == was, "a run ends once", f"{old} -> {row}")
        if old["bot_id"] != row["bot_id"]:
            is_free = was is TaskState.PENDING or old["revoked"]
            hold(is_free, "a run is taken back before another bot gets it", f"{old} -> {row}")
        if was is TaskState.RUNNING and row["state"] == TaskState.BOT_DIED:
            said = {kind for kind, _ in self.said(row["task_id"], row["run_number"], row["bot_id"])}
            is_over = bool(old["revoked"]) or bool(said - {ReportKind.CONFIRMED})
            hold(is_over, "a superseded run's word counts for no other", f"{old} -> {row}, said {said}")
        if was is TaskState.RUNNING and row["state"] == TaskState.PENDING:
            hold(bool(old["revoked"]), "a run is taken back in two steps", f"{old} -> {row}")
            said = {kind for kind, _ in self.said(row["task_id"], row["run_number"], row["bot_id"])}
            is_free = not said or ReportKind.CANCELED in said  # given back, the process was never started
            hold(is_free, "what its bot confirmed is not given to another", f"{old} -> {row}, said {said}")
        if row["run_number"] < newest:
            hold(row["state"] != TaskState.RUNNING, "a superseded run stays superseded", f"{old} -> {row}")

    def _check_bot(self, row: Row) -> None:
        """A task is never tried again on the bot that failed."""
        others = [run for number, run in self.runs[row["task_id"]].items() if number != row["run_number"]]
        failed = {run["bot_id"] for run in others if run["state"] == TaskState.BOT_DIED}
        if row["state"] == TaskState.RUNNING:
            hold(len(failed) <= self.retries_of(row["task_id"]), "retries are bounded", f"{row} after {others}")
            hold(row["bot_id"] not in failed, "never again on the bot that failed", f"{row} after {others}")

    def _check_event(self, row: Row) -> None:
        shard, task_id = row["shard"], row["task_id"]
        hold(row["seq"] == self.last_seq[shard] + 1, "events are dense", f"after {self.last_seq[shard]}: {row}")
        self.last_seq[shard] = row["seq"]
        names = self.events[task_id]
        hold(row["taskseq"] == len(names) + 1, "events are dense", f"after {names}: {row}")
        is_first = row["name"] in _FIRST_EVENTS
        hold(is_first or bool(names), "the first event is task.queued", f"{names}: {row}")
        hold(not names or row["name"] != "task.queued", "task.queued comes once", f"{names}: {row}")
        hold(not names or names[-1] not in FINAL_EVENTS, "exactly one final event", f"{names}: {row}")
        names.append(row["name"])

    def _check_result(self, row: Row) -> None:
        task_id, state, names = row["task_id"], TaskState(row["state"]), self.events[row["task_id"]]
        old = self.results.get(task_id)
        was = TaskState(old["state"]) if old is not None else TaskState.PENDING
        hold(not was.is_final, "a final state never changes", f"{old} -> {row}")
        hold(row["last_taskseq"] == len(names), "events are dense", f"{names}: {row}")
        told = FINAL_EVENTS.get(names[-1]) if names else None
        hold(told == (state if state.is_final else None), "exactly one final event", f"{names}: {row}")
        runs = [self.runs[task_id][number] for number in sorted(self.runs[task_id])]
        running = [run for run in runs if run["state"] == TaskState.RUNNING]
        hold(len(running) == (state is TaskState.RUNNING), "one run at a time", f"{row}: {running}")
        hold(len(runs) <= LAST_RUN_NUMBER, "retries are bounded", row)
        if names and names[-1] != TWIN_EVENT and (state in _ENDED_BY_RUN or state is TaskState.RUNNING):
            self._check_shown_run(row, state, runs)

    def _check_shown_run(self, row: Row, state: TaskState, runs: Sequence[Row]) -> None:
        """The task shows its newest run; or the last that died, if it waited in vain to be tried again."""
        promise = "a superseded run never replaces a newer one"
        eligible = [run for run in runs if state is not TaskState.BOT_DIED or run["state"] == TaskState.BOT_DIED]
        hold(bool(eligible), promise, f"{row}: {runs}")
        newest = eligible[-1]
        shown = (row["run_number"], row["bot_id"], row["exit_code"], state)
        is_newest = shown == (newest["run_number"], newest["bot_id"], newest["exit_code"], newest["state"])
        hold(is_newest, promise, f"{row}: {runs}")
        if state in _REPORTED_END:
            said = self.said(row["task_id"], row["run_number"], row["bot_id"])
            end = next((one for one in said if one[0] != ReportKind.CONFIRMED), None)
            is_its_word = end is not None and end[1] == row["exit_code"]
            was_lost = state is TaskState.KILLED and (end is None or end[0] in (ReportKind.LOST, ReportKind.FAILED))
            hold(is_its_word or was_lost, promise, f"{row} but its bot said {said}")
