"""Read what a task printed, now or as soon as there is more."""

from dataclasses import dataclass

from sqlalchemy import Connection

from swarming_common.database.port import Database
from swarming_common.errors import NotFound
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId
from swarming_frontend.store.output import read_output
from swarming_frontend.store.standings import state_and_run, state_of_run
from swarming_frontend.usecases.read_task import UNKNOWN_TASK
from swarming_frontend.waiting import News

MAX_OUTPUT_BYTES = 16_384_000
"""In one answer: upstream's number, at which clients ask again."""
MIN_WHOLE_BYTES = 4
"""The longest UTF-8 character: less room could never hold a whole one."""


@dataclass(frozen=True, kw_only=True)
class ReadOutput:
    """Which bytes; a run number of None means the task's current or last run, or that whose result it took.

    With `whole_characters` a character is never cut: its first bytes stay for the next answer while more may come.
    """

    task_id: TaskId
    run_number: int | None
    offset: int
    length: int
    whole_characters: bool = False
    wait_seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Output:
    """Bytes from the asked-for offset on, and how the task or run stands. `run_id` is None if it never ran."""

    content: bytes
    next_offset: int
    state: TaskState
    run_id: RunId | None


class ReadTaskOutput:
    """Reads output; with `wait_seconds` it answers when there is some, when the state is final, or after that."""

    def __init__(self, database: Database, news: News) -> None:
        self._database = database
        self._news = news

    async def __call__(self, command: ReadOutput) -> Output:
        """Raises NotFound for an unknown task or run."""

        async def look() -> Output:
            return await self._database.read(lambda c: _look(c, command))

        return await self._news.wait(
            command.task_id,
            command.wait_seconds,
            look,
            lambda seen: bool(seen.content) or seen.state.is_final,
        )


def _look(connection: Connection, command: ReadOutput) -> Output:
    state, run_id = _state(connection, command)  # before the output: a final state means that it is complete
    length = min(command.length or MAX_OUTPUT_BYTES, MAX_OUTPUT_BYTES)
    if command.whole_characters:
        length = max(length, MIN_WHOLE_BYTES)
    content = b""
    if run_id is not None:
        content = read_output(connection, run_id.task_id, run_id.number, command.offset, length)
    if command.whole_characters and (not state.is_final or len(content) == length):
        content = content[: len(content) - cut_character(content)]
    return Output(
        content=content,
        next_offset=command.offset + len(content),
        state=state,
        run_id=run_id,
    )


def _state(connection: Connection, command: ReadOutput) -> tuple[TaskState, RunId | None]:
    if command.run_number is None:
        found = state_and_run(connection, command.task_id)
    else:
        state = state_of_run(connection, command.task_id, command.run_number)
        found = None if state is None else (state, RunId(command.task_id, command.run_number))
    if found is None:
        raise NotFound(UNKNOWN_TASK)
    return found


def cut_character(content: bytes) -> int:
    """How many bytes at the end are the beginning of a UTF-8 character whose rest is missing: 0 to 3."""
    for count in range(1, min(3, len(content)) + 1):
        byte = content[-count]
        if byte < 0x80:
            return 0
        if byte >= 0xC0:
            needed = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4 if byte < 0xF5 else 0
            return count if needed > count else 0
    return 0
