"""What can go wrong between the bot and its server."""

from __future__ import annotations


class BotError(Exception):
    """Something the bot expected might happen, with a sentence for the log."""


class ServerAway(BotError):
    """The server could not be reached or was unwell; the same call may work later."""


class Refused(BotError):
    """The server understood the call and said no; asking again would not help."""


class BadManifest(BotError):
    """The server sent a run that this bot cannot make sense of."""


class BadReply(ConnectionError):
    """What came back over the connection is not an HTTP response."""
