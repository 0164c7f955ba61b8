"""What to say of a task that is not pending."""

from datetime import datetime

from swarming_common.model.states import TaskState
from swarming_frontend.explanation.amounts import roughly
from swarming_frontend.explanation.situation import Explanation, Reason
from swarming_frontend.explanation.state_words import in_words
from swarming_frontend.explanation.wording import clock
from swarming_frontend.standing import Standing


def not_pending(standing: Standing, now: datetime) -> Explanation:
    """How a task that runs or has ended came there."""
    running = standing.state is TaskState.RUNNING
    text = _running(standing, now) if running else f"It is not pending: {in_words(standing)}{_when(standing)}."
    return Explanation(
        task_id=standing.task_id,
        state=standing.state,
        summary=text,
        reasons=(Reason("running" if running else "ended", text),),
    )


def _running(standing: Standing, now: datetime) -> str:
    text = f"It is not pending: it has been running on {standing.bot_id}"
    if standing.started_ts is not None:
        lasted = roughly(max((now - standing.started_ts).total_seconds(), 0))
        text += f" for {lasted}, since {clock(standing.started_ts)}"
    return text + (", and is being stopped." if standing.abandoned_ts is not None else ".")


def _when(standing: Standing) -> str:
    moment = standing.completed_ts or standing.abandoned_ts
    return "" if moment is None else f", at {clock(moment)}"
