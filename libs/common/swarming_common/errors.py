"""The errors that every part of Swarming may raise; one file of each adapter maps them to its dialect."""


class SwarmingError(Exception):
    """Something went wrong in Swarming."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or type(self).__doc__)


class InvalidInput(SwarmingError, ValueError):
    """What the caller sent is not acceptable.

    `field` is the path of the guilty field as the caller wrote it (`task_slices[0].properties.command`),
    `expected` says in words what would have been right.
    """

    def __init__(self, field: str, expected: str) -> None:
        self.field = field
        self.expected = expected
        super().__init__(f"{field}: {expected}")


class NotFound(SwarmingError):
    """There is no such thing."""


class NotAllowed(SwarmingError):
    """The caller may not do this."""


class Unavailable(SwarmingError):
    """A part that is needed is away just now; the same call may succeed later."""


class DatabaseAway(Unavailable):
    """The database could not be reached, or the connection was lost; what was under way may or may not be done."""


class DataRejected(SwarmingError):
    """The database refused the data of a batch (a value it cannot hold, a broken constraint); nothing was written."""
