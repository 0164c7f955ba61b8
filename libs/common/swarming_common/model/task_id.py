"""Task ids and run ids, as upstream writes them.

A task's value has 63 bits: 43 bits of milliseconds since 2010-01-01 UTC, 16 random bits and the layout version 1
in the low 4 bits. Its text is the value in lower-case hex with one more digit: `0` names the task, `1` to `f` one
of its runs (client-api-v1.md section 7). Inside Swarming a task id is the value, without that last digit.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NewType

TaskId = NewType("TaskId", int)

EPOCH = datetime(2010, 1, 1, tzinfo=UTC)
LAST_RUN_NUMBER = 15

_LAYOUT_VERSION = 1
_ID = re.compile(r"[0-9a-f]{2,17}")


@dataclass(frozen=True, order=True, slots=True)
class RunId:
    """One run of a task; `number` counts from 1 to 15."""

    task_id: TaskId
    number: int

    def __str__(self) -> str:
        return f"{self.task_id:x}{self.number:x}"


class InvalidTaskId(ValueError):
    """A text that is not a task id or not a run id."""


def new_task_id(now: datetime, random: int) -> TaskId:
    """A task id for a task created at `now`; only the low 16 bits of `random` are used."""
    milliseconds = (now - EPOCH) // timedelta(milliseconds=1)
    return TaskId(milliseconds << 20 | (random & 0xFFFF) << 4 | _LAYOUT_VERSION)


def milliseconds_of(task_id: int) -> int:
    """When the task was created: milliseconds since 2010-01-01 UTC."""
    return task_id >> 20


def format_task_id(task_id: TaskId) -> str:
    """The text that clients hold: it ends in 0."""
    return f"{task_id:x}0"


def parse_task_id(text: str) -> TaskId:
    """The task that a task id or a run id names. Raises InvalidTaskId."""
    value, _ = _split(text)
    return value


def parse_run_id(text: str) -> RunId:
    """The run that a run id names. Raises InvalidTaskId, also for a task id (last digit 0)."""
    value, number = _split(text)
    if number == 0:
        raise InvalidTaskId(f"{text!r} is the id of a task, not of a run")
    return RunId(value, number)


def run_number_of(text: str) -> int | None:
    """The run that an id names, None if it names the task itself. Raises InvalidTaskId."""
    return _split(text)[1] or None


def _split(text: str) -> tuple[TaskId, int]:
    if not _ID.fullmatch(text):
        raise InvalidTaskId(f"{text!r} is not a task id: expected lower-case hex digits such as 7c2236638dbfed10")
    value, number = int(text[:-1], 16), int(text[-1], 16)
    if value & 0xF != _LAYOUT_VERSION or value >> 63:
        raise InvalidTaskId(f"{text!r} is not a task id: its last digit but one must be 1")
    return TaskId(value), number
