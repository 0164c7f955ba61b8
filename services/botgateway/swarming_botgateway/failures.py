"""How a bot's newest runs ended: does it fail at every one? Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnd:
    """How the bot said that one of its runs ended; `is_failure` if it failed at the task itself, by no fault of the
    task's."""

    at: datetime
    is_failure: bool
    message: str | None


def in_a_row(ends: Sequence[RunEnd], since: datetime | None) -> list[RunEnd]:
    """The failures since the last success, and since this moment; newest first."""
    failures: list[RunEnd] = []
    for one in ends:
        if not one.is_failure or (since is not None and one.at <= since):
            break
        failures.append(one)
    return failures
