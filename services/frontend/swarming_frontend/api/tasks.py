"""`tasks/*`: submit, list and count."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from swarming_frontend.api import task_replies
from swarming_frontend.api.bodies import read_message
from swarming_frontend.api.cursors import decode_cursor, encode_cursor
from swarming_frontend.api.description import body_of
from swarming_frontend.api.encoding import integer, present, reply, timestamp
from swarming_frontend.api.given import Settings, Use, settings_of, usecases_of
from swarming_frontend.api.messages import CancelTasksBody, NewTaskRequest
from swarming_frontend.api.new_task import translate
from swarming_frontend.api.queries import (
    TASK_PLACE,
    CountParameters,
    StatesParameters,
    TasksParameters,
    from_epoch,
    task_and_run,
)
from swarming_frontend.identity import caller_of
from swarming_frontend.usecases.cancel_tasks import CancelTasks

DEFAULT_CANCEL_PAGE = 100

router = APIRouter(prefix="/tasks", tags=["tasks"])


async def new(request: Request) -> Response:
    """`tasks/new`: the hot route, a bare handler, in no router."""
    use, settings, caller = usecases_of(request), settings_of(request), caller_of(request)
    message = await read_message(request, NewTaskRequest, settings.max_body_bytes)
    outcome = await use.submit(translate(message, caller, settings.limits, settings.cipd), use.clock.now())
    return reply(task_replies.submitted(outcome))


@router.get("/list")
async def list_(query: TasksParameters, use: Use) -> Response:
    """Tasks, newest first, a page at a time."""
    after = decode_cursor(TASK_PLACE, query.cursor)
    found, place = await use.list_tasks.page(query.wanted(), after, query.limit)
    return reply(
        task_replies.task_list(
            found,
            encode_cursor(TASK_PLACE, place),
            use.clock.now(),
            with_performance=query.include_performance_stats,
        )
    )


@router.get("/count")
async def count(query: CountParameters, use: Use) -> Response:
    """How many tasks there are."""
    number = await use.list_tasks.count(query.wanted())
    return reply(present(count=integer(number), now=timestamp(use.clock.now())))


@router.get("/get_states")
async def get_states(query: StatesParameters, use: Use) -> Response:
    """The states of several tasks, in the order of their ids."""
    states = await use.list_tasks.states([task_and_run(one)[0] for one in query.task_id])
    return reply(present(states=[one.name for one in states]))


@router.post("/cancel", openapi_extra=body_of(CancelTasksBody))
async def cancel(request: Request, use: Use, settings: Settings) -> Response:
    """Cancel the tasks that wait and have all these tags, and with `kill_running` also those that run; a page at a
    time, the newest first. The answer does not wait until they have ended.
    """
    body = await read_message(request, CancelTasksBody, settings.max_body_bytes)
    command = CancelTasks(
        tags=tuple(body.tags),
        start=from_epoch(body.start),
        end=from_epoch(body.end),
        kill_running=bool(body.kill_running),
        by=str(caller_of(request)),
    )
    now = use.clock.now()
    after = decode_cursor(TASK_PLACE, body.cursor)
    matched, place = await use.cancel_by_tags.page(command, after, body.limit or DEFAULT_CANCEL_PAGE, now)
    cursor = encode_cursor(TASK_PLACE, place)
    return reply(present(cursor=cursor, matched=integer(matched), now=timestamp(now)))
