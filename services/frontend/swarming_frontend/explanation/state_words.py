"""A task's state in words."""

from swarming_common.model.states import TaskState
from swarming_frontend.standing import Standing


def in_words(standing: Standing) -> str:
    """How a task or a run stands, and why if that is known: `its bot bot1 was lost or failed (no word for 300 s)`."""
    because = f" ({standing.reason})" if standing.reason else ""
    return _state_of(standing) + because


def _state_of(standing: Standing) -> str:
    bot = standing.bot_id or "a bot"
    match standing.state:
        case TaskState.PENDING:
            return "it waits for a bot"
        case TaskState.RUNNING if standing.abandoned_ts is not None:
            return f"it is being stopped on {bot}"
        case TaskState.RUNNING:
            return f"it runs on {bot}"
        case TaskState.COMPLETED if standing.deduped_from is not None:
            return f"it took the result of {standing.deduped_from}, which had done the same"
        case TaskState.COMPLETED:
            return f"it ran on {bot} and ended with exit code {standing.exit_code}"
        case TaskState.EXPIRED:
            return "it expired" if standing.reason else "it expired, no bot took it in time"
        case TaskState.TIMED_OUT:
            return f"it was stopped on {bot}" + ("" if standing.reason else ", since it ran or was silent for too long")
        case TaskState.BOT_DIED:
            return f"its bot {bot} was lost or failed"
        case TaskState.CANCELED:
            return "it was cancelled before it ran"
        case TaskState.KILLED:
            return f"it was cancelled while it ran on {bot}"
        case TaskState.NO_RESOURCE:
            return "no bot could ever run it"
        case TaskState.CLIENT_ERROR:
            return "it asked for inputs that do not exist"
