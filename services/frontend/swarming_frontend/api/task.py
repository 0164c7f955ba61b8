"""`task/{id}/*`: one task, or one of its runs."""

from fastapi import APIRouter
from starlette.responses import Response

from swarming_frontend.api import task_replies
from swarming_frontend.api.cursors import decode_cursor, encode_cursor
from swarming_frontend.api.encoding import integer, present, reply
from swarming_frontend.api.given import Use
from swarming_frontend.api.queries import (
    TASK_PLACE,
    OutputParameters,
    PageParameters,
    ResultParameters,
    TaskIdText,
    task_and_run,
)
from swarming_frontend.usecases.read_output import ReadOutput

router = APIRouter(prefix="/task/{task_id}", tags=["tasks"])


@router.get("/result")
async def result(task_id: TaskIdText, query: ResultParameters, use: Use) -> Response:
    """How a task stands; a run's id gives how that run stands.

    `wait_secs` (0 to 20, an extension): the answer comes when the state is final, or after that long.
    """
    task, run_number = task_and_run(task_id)
    standing = await use.read_task.standing(task, run_number, query.wait_secs)
    return reply(task_replies.task_result(standing, with_performance=query.include_performance_stats))


@router.get("/request")
async def request(task_id: TaskIdText, use: Use) -> Response:
    """What was asked for."""
    task, _ = task_and_run(task_id)
    stored = await use.read_task.request(task)
    return reply(task_replies.task_request(stored.task_id, stored.request, stored.created_ts))


@router.get("/stdout")
async def stdout(task_id: TaskIdText, query: OutputParameters, use: Use) -> Response:
    """What a task printed, from a byte offset on, invalid UTF-8 replaced; a run's id gives that run's output.

    `wait_secs` (0 to 20, an extension): the answer comes when there is output beyond the offset, when the state is
    final, or after that long. Such an answer also has `next_offset`, from which to go on; it never ends within
    a UTF-8 character while more may come; and `run_id`: when it changes (the task was tried again), the offsets
    start at 0 again. The output is complete once the state is final and an answer brings none.
    """
    task, run_number = task_and_run(task_id)
    output = await use.read_output(
        ReadOutput(
            task_id=task,
            run_number=run_number,
            offset=query.offset,
            length=query.length,
            whole_characters=query.wait_secs is not None,
            wait_seconds=query.wait_secs or 0.0,
        )
    )
    follows = query.wait_secs is not None
    return reply(
        present(
            output=output.content.decode(errors="replace"),
            state=output.state.name,
            next_offset=integer(output.next_offset) if follows else None,
            run_id=str(output.run_id) if follows and output.run_id else None,
        )
    )


@router.get("/children")
async def children(task_id: TaskIdText, query: PageParameters, use: Use) -> Response:
    """The tasks that name this one as their parent, newest first, as a TaskList (an extension); a run's id gives
    those that name this run.
    """
    task, run_number = task_and_run(task_id)
    after = decode_cursor(TASK_PLACE, query.cursor)
    found, place = await use.list_tasks.children(task, run_number, after, query.limit)
    cursor = encode_cursor(TASK_PLACE, place)
    return reply(task_replies.task_list(found, cursor, use.clock.now(), with_performance=False))
