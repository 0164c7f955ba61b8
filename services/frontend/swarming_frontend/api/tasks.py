"""`tasks/*`: submit, list and count."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from swarming_frontend.api import task_replies
from swarming_frontend.api.bodies import read_message
from swarming_frontend.api.cursors import decode_cursor, encode_cursor
from swarming_frontend.api.encoding import integer, present, reply, timestamp
from swarming_frontend.api.messages import NewTaskRequest
from swarming_frontend.api.new_task import translate
from swarming_frontend.api.queries import (
    TASK_PLACE,
    CountParameters,
    StatesParameters,
    TasksParameters,
    task_and_run,
)
from swarming_frontend.identity import caller_of
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.usecases.registry import Usecases
from swarming_frontend.usecases.submit import Submitted


def new_task(use: Usecases, settings: FrontendSettings) -> Callable[[Request], Awaitable[Response]]:
    """`tasks/new`: the hot route, a bare handler."""
    limits = settings.limits

    async def new(request: Request) -> Response:
        caller = caller_of(request)
        message = await read_message(request, NewTaskRequest, settings.max_body_bytes)
        outcome = await use.submit(translate(message, caller, limits), use.clock.now())
        if isinstance(outcome, Submitted):
            stored, is_new = outcome.stored, not outcome.is_repeat
            return reply(task_replies.new_task(stored.task_id, stored.request, stored.created_ts, is_new=is_new))
        return reply(task_replies.new_task(None, outcome.request, outcome.created_ts, is_new=False))

    return new


def tasks(use: Usecases) -> APIRouter:
    """The other routes under `tasks/`."""
    router = APIRouter(prefix="/tasks", tags=["tasks"])

    @router.get("/list")
    async def list_(query: TasksParameters) -> Response:
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
    async def count(query: CountParameters) -> Response:
        """How many tasks there are."""
        number = await use.list_tasks.count(query.wanted())
        return reply(present(count=integer(number), now=timestamp(use.clock.now())))

    @router.get("/get_states")
    async def get_states(query: StatesParameters) -> Response:
        """The states of several tasks, in the order of their ids."""
        states = await use.list_tasks.states([task_and_run(one)[0] for one in query.task_id])
        return reply(present(states=[one.name for one in states]))

    return router
