"""Room for the open files of many bots in one process."""

from __future__ import annotations

import resource
from typing import Optional

from swarming_bot.errors import BotError

FILES_OF_A_BOT = 16  # at most: a lock, what wakes it, a connection, and while a process starts about ten more
FILES_OF_A_PROCESS = 64

_soft_limit_of_tasks: Optional[int] = None  # from before it was raised; None if it was not


def make_room(bots: int) -> None:
    """Raise the process's limit of open files where so many bots need it; BotError if the machine allows too few.

    A bot that runs out of them would fail its tasks. These get the limit from before (process.py).
    """
    needed = FILES_OF_A_PROCESS + bots * FILES_OF_A_BOT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    global _soft_limit_of_tasks
    _soft_limit_of_tasks = soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
    except (ValueError, OSError) as error:
        raise BotError(
            f"--bots {bots}: they need {needed} open files, and this process may have {soft} and no more than {hard}"
            " (ulimit -Hn); raise that, or run fewer bots"
        ) from error


def are_raised() -> bool:
    """Whether this process may open more files than its tasks are to."""
    return _soft_limit_of_tasks is not None


def give_back() -> None:
    """Set the limit from before; called in the process of a task, between fork and exec: one system call, no more."""
    if _soft_limit_of_tasks is not None:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (_soft_limit_of_tasks, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        )
