"""`task/{id}/cancel`, `/retry` and `/priority`: what people ask of a task; the id of a run stands for its task."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from swarming_frontend.api import task_replies
from swarming_frontend.api.bodies import read_message
from swarming_frontend.api.description import body_of
from swarming_frontend.api.encoding import integer, present, reply
from swarming_frontend.api.given import Settings, Use
from swarming_frontend.api.messages import CancelBody, PriorityBody, RetryBody
from swarming_frontend.api.new_task import checked_uuid
from swarming_frontend.api.queries import TaskIdText, task_and_run
from swarming_frontend.identity import caller_of
from swarming_frontend.usecases.cancel import CancelTask
from swarming_frontend.usecases.retry import RetryTask
from swarming_frontend.usecases.set_priority import SetPriority

router = APIRouter(prefix="/task/{task_id}", tags=["tasks"])


@router.post("/cancel", openapi_extra=body_of(CancelBody, optional=True))
async def cancel(request: Request, task_id: TaskIdText, use: Use, settings: Settings) -> Response:
    """Cancel a task that waits, and with `kill_running` also one that runs. Its children end with it."""
    body = await read_message(request, CancelBody, settings.max_body_bytes, optional=True)
    task, _ = task_and_run(task_id)
    command = CancelTask(task_id=task, kill_running=bool(body.kill_running), by=str(caller_of(request)))
    outcome = await use.cancel(command, use.clock.now())
    return reply(present(ok=outcome.ok, was_running=outcome.was_running))


@router.post("/retry", openapi_extra=body_of(RetryBody, optional=True))
async def retry(request: Request, task_id: TaskIdText, use: Use, settings: Settings) -> Response:
    """Submit a clone of a task, whatever became of it (an extension); answered as `tasks/new` is.

    It is never idempotent, has no parent, and is the caller's; its name ends in ` (Retry #n)`. A `request_uuid`
    makes a repeated call return the first clone.
    """
    body = await read_message(request, RetryBody, settings.max_body_bytes, optional=True)
    task, _ = task_and_run(task_id)
    command = RetryTask(task_id=task, request_uuid=checked_uuid(body.request_uuid), by=caller_of(request))
    return reply(task_replies.submitted(await use.retry(command, use.clock.now())))


@router.post("/priority", openapi_extra=body_of(PriorityBody))
async def priority(request: Request, task_id: TaskIdText, use: Use, settings: Settings) -> Response:
    """Give a task that waits another priority (an extension). `ok` is false when it does not wait any more;
    `priority` is the one that it has or gets, which may differ from the one asked for.
    """
    body = await read_message(request, PriorityBody, settings.max_body_bytes)
    task, _ = task_and_run(task_id)
    command = SetPriority(task_id=task, priority=body.priority, by=str(caller_of(request)))
    outcome = await use.reprioritize(command, use.clock.now())
    return reply(present(ok=outcome.ok, priority=integer(outcome.priority)))
