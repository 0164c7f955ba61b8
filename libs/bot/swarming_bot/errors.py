"""What can go wrong between the bot and its server."""

from __future__ import annotations

from typing import Dict, List, Mapping, NamedTuple, Optional

# By missing_cas, missing_cipd and unreachable_data, as task_error names them.
Missing = Mapping[str, List[Dict[str, str]]]


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


class InputsNotFetched(BotError):
    """The task asks for inputs that this bot has no client for, or that cannot be reached; `missing` names them."""

    def __init__(self, message: str, missing: Missing) -> None:
        super().__init__(message)
        self.missing = missing


class DiskFailure(BotError):
    """The disk of this machine cannot be written: no fault of the task's, which is to be tried on another bot."""


class BadReply(ConnectionError):
    """What came back over the connection is not an HTTP response."""


class Interrupted(Exception):
    """The run is not wanted any more, so its preparation was left unfinished."""


class UnusableCertificates(ConnectionError):
    """A file with certificates, or a key, is not there or not right; it may be by the next connection."""


class TaskAtFault(BotError):
    """The task asked for something that cannot be had, with a sentence for its output; it ends with exit code 1."""


class Failure(NamedTuple):
    """Why a run ends that no process ended.

    missing: the inputs that were not there; then the bot is not at fault.
    try_elsewhere: whether the fault is this machine's, so that the task is to be tried on another bot.
    """

    message: str
    missing: Optional[Missing] = None
    try_elsewhere: bool = False
