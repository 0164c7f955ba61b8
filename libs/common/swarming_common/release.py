"""Which release of Swarming this is."""

from functools import cache
from importlib.metadata import version


@cache
def server_version() -> str:
    """The version of the installed services, such as `0.1.0`."""
    return version("swarming-common")
