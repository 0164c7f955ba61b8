"""`task/{id}/why`: why a task is still pending."""

from fastapi import APIRouter
from starlette.responses import Response

from swarming_frontend.api.encoding import reply
from swarming_frontend.api.given import Use
from swarming_frontend.api.queries import TaskIdText, task_and_run
from swarming_frontend.api.why_replies import why_reply
from swarming_frontend.usecases.why import AskWhy

router = APIRouter(prefix="/task/{task_id}", tags=["tasks"])


@router.get("/why")
async def explain(task_id: TaskIdText, use: Use) -> Response:
    """Why a task is pending: its place in its queue, the bots that match and those that nearly do, and when it may
    start; an extension. Of a task that is not pending it says how it stands."""
    task, _ = task_and_run(task_id)
    now = use.clock.now()
    return reply(why_reply(await use.why(AskWhy(task_id=task), now), now))
