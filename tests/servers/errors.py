"""What may go wrong with the servers for tests."""


class ServerMissing(Exception):
    """A server can be had from no source; the message says which command to run."""


class ServerFailed(Exception):
    """A server was started and does not answer; the message carries the end of its log."""


class ServerCannot(Exception):
    """A server at a given address is not ours to do this to."""
