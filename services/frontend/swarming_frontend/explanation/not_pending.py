"""What to say of a task that is not pending."""

from datetime import datetime

from swarming_common.model.states import TaskState
from swarming_frontend.explanation.amounts import roughly
from swarming_frontend.explanation.situation import Explanation, Reason
from swarming_frontend.explanation.wording import clock
from swarming_frontend.standing import Standing


def not_pending(standing: Standing, now: datetime) -> Explanation:
    """How a task that runs or has ended came there."""
    running = standing.state is TaskState.RUNNING
    text = _running(standing, now) if running else f"It is not pending: {_ended(standing)}{_when(standing)}."
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


def _ended(standing: Standing) -> str:
    bot = standing.bot_id or "a bot"
    because = f" ({standing.reason})" if standing.reason else ""
    match standing.state:
        case TaskState.COMPLETED if standing.bot_id is None:
            return f"it ended with exit code {standing.exit_code}"
        case TaskState.COMPLETED:
            return f"it ran on {bot} and ended with exit code {standing.exit_code}"
        case TaskState.EXPIRED:
            return f"it expired{because or ', no bot took it in time'}"
        case TaskState.TIMED_OUT:
            return f"it was stopped on {bot}: it ran, or was silent, for longer than it may"
        case TaskState.BOT_DIED:
            return f"its bot {bot} was lost or failed{because}"
        case TaskState.CANCELED:
            return f"it was cancelled before it ran{because}"
        case TaskState.KILLED:
            return f"it was cancelled while it ran on {bot}{because}"
        case TaskState.NO_RESOURCE:
            return f"no bot could ever run it{because}"
        case _:
            return f"it asked for inputs that do not exist{because}"


def _when(standing: Standing) -> str:
    moment = standing.completed_ts or standing.abandoned_ts
    return "" if moment is None else f", at {clock(moment)}"
