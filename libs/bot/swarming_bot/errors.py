"""What can go wrong between the bot and its server."""

from __future__ import annotations

from typing import Optional


class BotError(Exception):
    """Something the bot expected might happen, with a sentence for the log."""


class ServerAway(BotError):
    """The server could not be reached or was unwell; the same call may work later.

    status: of its answer, if it gave one.
    """

    def __init__(self, message: str, status: Optional[int] = None) -> None:
        super().__init__(message)
        self.status = status


class Refused(BotError):
    """The server understood the call and said no; asking again would not help.

    reason: in the server's own words.
    """

    def __init__(self, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.reason = reason


class Superseded(Refused):
    """Another process has opened a newer session with this bot's id."""


class BadManifest(BotError):
    """The server sent a run that this bot cannot make sense of."""


class BadReply(ConnectionError):
    """What came back over the connection is not an HTTP response."""


class Interrupted(Exception):
    """The run is not wanted any more, so its preparation was left unfinished."""


class TaskAtFault(BotError):
    """The task asked for something that cannot be had, with a sentence for its output; it ends with exit code 1."""
