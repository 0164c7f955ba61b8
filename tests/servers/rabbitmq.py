"""RabbitMQ for tests: a virtual host for each."""

import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from urllib.parse import quote, unquote, urlsplit

import httpx

from tests.servers import addresses
from tests.servers.errors import ServerCannot
from tests.servers.given import MANAGEMENT_VARIABLE
from tests.servers.instance import Instance
from tests.servers.kinds import RABBITMQ
from tests.servers.server import Server

_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


class RabbitMQServer(Server):
    """RabbitMQ 3.10 or newer.

    One at a given address needs its management API for virtual hosts of their own; without it all tests share the
    given one, and rely on unique names.
    """

    kind = RABBITMQ
    default_port = 5672

    def __init__(self, instance: Instance) -> None:
        self._live: set[str] = set()
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="removal-of-virtual-hosts")
        self._removals: list[Future[httpx.Response]] = []
        account = urlsplit(instance.url)
        self._user = unquote(account.username or "guest")
        self._management = httpx.Client(
            base_url=f"{instance.management_url}/api/",
            auth=(self._user, unquote(account.password or "guest")),
            timeout=30,
            trust_env=False,
        )
        self.has_management = instance.is_ours or _answers(self._management)
        super().__init__(instance)

    def ask(self) -> None:
        with socket.create_connection(addresses.place(self.direct_url, self.default_port), timeout=10) as connection:
            connection.sendall(_AMQP_GREETING)
            if not connection.recv(1):
                raise ConnectionError("RabbitMQ hung up")
        if self.has_management:
            self._call("GET", "overview")

    def version(self) -> str:
        if not self.has_management:
            return "(no management API)"
        return str(self._call("GET", "overview").json()["rabbitmq_version"])

    def create_vhost(self) -> str:
        """A fresh virtual host; returns its URL. The given one, where there is no management API to make it with."""
        if not self.has_management:
            return self.url
        name = f"test-{uuid.uuid4().hex[:16]}"
        self._make(name)
        self._live.add(name)
        return addresses.inside(self.url, name)

    def drop_vhost(self, url: str) -> None:
        """Remove a virtual host with all that is in it, also from under connections that are still open.

        Its quorum queues may take seconds for it, so nobody waits; what is left goes with `close`.
        """
        name = addresses.name_inside(url)
        if name in self._live:
            self._live.discard(name)
            self._removals.append(self._aside.submit(self._call, "DELETE", f"vhosts/{name}"))

    @contextmanager
    def vhost(self) -> Iterator[str]:
        """The URL of a fresh virtual host, which is removed at the end of the block."""
        url = self.create_vhost()
        try:
            yield url
        finally:
            self.drop_vhost(url)

    def restart_empty(self) -> None:
        """Kill RabbitMQ and start it with nothing stored; the virtual hosts in use are there again, but empty.

        Returns when it answers. One at a given address is not ours: there, the connections are dropped, and the
        virtual hosts of our making are removed and made again. Without its management API we have none, and raise
        ServerCannot.
        """
        if not self.has_management:
            raise ServerCannot(f"RabbitMQ cannot be emptied without its management API: set {MANAGEMENT_VARIABLE}")
        with self.away():
            wait(self._removals)
            if self._instance.is_ours:
                self._start_empty()
            for name in self._live:
                if not self._instance.is_ours:
                    self._call("DELETE", f"vhosts/{name}")
                self._make(name)

    def close(self) -> None:
        if not self._instance.is_ours:
            for name in list(self._live):
                self.drop_vhost(addresses.inside(self.url, name))
            wait(self._removals)
        super().close()  # with our own server, a removal under way ends here
        self._aside.shutdown(cancel_futures=True)
        self._management.close()

    def _make(self, name: str) -> None:
        self._call("PUT", f"vhosts/{name}")
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._call("PUT", f"permissions/{name}/{quote(self._user, safe='')}", everything)

    def _call(self, method: str, path: str, body: dict[str, str] | None = None) -> httpx.Response:
        return self._management.request(method, path, json=body).raise_for_status()


def _answers(management: httpx.Client) -> bool:
    try:
        return management.get("overview").is_success
    except httpx.HTTPError:
        return False
