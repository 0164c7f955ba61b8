"""What can go wrong, as far as it can be foreseen."""

from __future__ import annotations


class SwarmingError(Exception):
    """The root of every error that this package raises on purpose; its text is fit for people."""

    details = ""
    """More lines for people, a traceback, say."""


class UsageError(SwarmingError):
    """The caller asked for something that makes no sense, before any server was asked."""


class RequestRefused(SwarmingError):
    """The server understood and said no (a 4xx); asking again will not help."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class NotFound(RequestRefused):
    """The server knows no such task or bot."""


class NotAllowed(RequestRefused):
    """The caller may not do this, or did not say who it is."""


class ServerUnavailable(SwarmingError):
    """The server could not be reached, or kept failing, for as long as we were told to try."""


class UnexpectedReply(SwarmingError):
    """The answer is not one that a Swarming server gives; the address may be wrong."""


class WaitTimeout(SwarmingError):
    """The task had not ended when the time to wait for it was over."""

    def __init__(self, task_id: str, state: str) -> None:
        super().__init__(f"task {task_id} has not ended in the time given: it is {state}")
        self.task_id = task_id
        self.state = state
