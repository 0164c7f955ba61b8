"""How a task or a run stands. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A task, with its current or last run if it ever had one; or one run, if `is_run`. Of a run that was lost, a task
    that waits to be tried again shows the number and the cost, and nothing else."""

    task_id: TaskId
    run_number: int | None
    is_run: bool
    name: str
    user: str
    tags: tuple[str, ...]
    state: TaskState
    created_ts: datetime
    modified_ts: datetime
    priority: int
    """That the task has now; somebody may have changed it."""
    started_ts: datetime | None = None
    completed_ts: datetime | None = None
    abandoned_ts: datetime | None = None
    current_slice: int = 0
    exit_code: int | None = None
    duration: float | None = None
    failure: bool = False
    internal_failure: bool = False
    reason: str | None = None
    bot_id: str | None = None
    bot_version: str | None = None
    bot_dimensions: Mapping[str, Sequence[str]] | None = None
    bot_idle_since_ts: datetime | None = None
    details: Mapping[str, Any] | None = None
    costs_usd: tuple[float, ...] = ()
    deduped_from: RunId | None = None
    """The run whose result it took; then `run_number` is None, and what is said of a run is said of that one."""
    cost_saved_usd: float | None = None
