"""What the end of a task means for the exit code of the command that waited for it."""

from __future__ import annotations

from swarming_client.messages import TaskResult

LARGEST = 255
SIGNALED = 128  # shells add the number of the signal to this
NO_EXIT_CODE = -1  # what the server fills in for a stopped task whose process told none
STOPPED_STATES = frozenset({"KILLED", "TIMED_OUT", "BOT_DIED"})

REASONS = {
    "EXPIRED": "expired: no bot took it in time",
    "TIMED_OUT": "timed out",
    "BOT_DIED": "the bot died",
    "CANCELED": "canceled",
    "KILLED": "killed",
    "NO_RESOURCE": "no resource: no bot has these dimensions",
    "CLIENT_ERROR": "its input is not valid",
}
LONGEST_REASON = 500  # characters; a bot may tell a whole traceback, of which the end says most


def exit_code_of(result: TaskResult) -> int:
    """Map how the task ended to 0…255; 0 only for a command that ended by itself with 0."""
    code = result.exit_code
    if code is None or (code == NO_EXIT_CODE and result.state in STOPPED_STATES):
        return 1
    if code < 0:
        return min(SIGNALED - code, LARGEST)
    if code == 0 and result.state != "COMPLETED":
        return 1  # a task that was stopped did not succeed, however its process took it
    return min(code, LARGEST)  # not modulo 256, which would make 0 of 256


def why_it_failed(result: TaskResult) -> str | None:
    """Say in a word why the exit code is not the command's own choice; None when it is."""
    if result.state == "COMPLETED":
        return "it ended without an exit code" if result.exit_code is None else None
    why = REASONS.get(result.state, result.state.lower().replace("_", " "))
    return f"{why.partition(':')[0]}: {result.reason[-LONGEST_REASON:]}" if result.reason else why
