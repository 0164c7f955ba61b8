"""A server at an address that the environment gives: used as it is, never stopped."""

import os
from urllib.parse import urlsplit

from tests.servers.errors import ServerCannot
from tests.servers.instance import Instance
from tests.servers.kinds import RABBITMQ, Kind

MANAGEMENT_VARIABLE = "SWARMING_TEST_RABBITMQ_MANAGEMENT_URL"
DEFAULT_MANAGEMENT_PORT = 15672


class Given(Instance):
    """Somebody else's server; what needs its death is done over its own protocol instead (see each server)."""

    is_ours = False

    def __init__(self, kind: Kind, url: str) -> None:
        self._kind = kind
        self.url = url
        self.provided = f"the address in {kind.url_variable}"
        if kind is RABBITMQ:
            host = urlsplit(url).hostname
            self.management_url = os.environ.get(MANAGEMENT_VARIABLE) or f"http://{host}:{DEFAULT_MANAGEMENT_PORT}"

    def start(self) -> None:
        """Nothing to do: it runs."""

    def kill(self) -> None:
        raise ServerCannot(f"{self._kind.title} at a given address is not ours to kill")

    def wipe(self) -> None:
        raise ServerCannot(f"{self._kind.title} at a given address is not ours to wipe")

    def close(self) -> None:
        """Nothing to do: it goes on running."""

    def died(self) -> str | None:
        return None
