"""How values look to people."""

from __future__ import annotations

from datetime import datetime

from swarming_client.errors import RequestRefused
from swarming_client.messages import TaskResult


def time_text(time: datetime | None) -> str:
    """Show a time to the second, as it is (UTC)."""
    return "" if time is None else time.strftime("%Y-%m-%d %H:%M:%S")


def duration_text(secs: float | None) -> str:
    """Show a measured duration: tenths below a minute, then minutes or hours."""
    if secs is None:
        return ""
    return f"{secs:.1f} s" if secs < 60 else seconds_text(round(secs))


def seconds_text(secs: int | None) -> str:
    """Show whole seconds in units: 90 is `1m30s`, 21600 is `6h`, 0 is nothing."""
    if not secs:
        return ""
    parts = (("h", secs // 3600), ("m", secs % 3600 // 60), ("s", secs % 60))
    return "".join(f"{amount}{unit}" for unit, amount in parts if amount)


def state_text(task: TaskResult) -> str:
    """Show the state and whether the task failed."""
    if task.deduped_from:
        return "DEDUPED"
    failed = task.failure and task.state == "COMPLETED"
    lost = task.internal_failure and task.state != "BOT_DIED"
    return task.state + " (failed)" * failed + " (internal failure)" * lost


def refusal_text(refused: RequestRefused) -> str:
    """Show the server's words in a line that names the task or bot itself, and so without the parameter's name."""
    return str(refused).removeprefix("task_id: ").removeprefix("bot_id: ")
