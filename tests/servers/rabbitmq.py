"""RabbitMQ for tests: a virtual host for each."""

import contextlib
import socket
import uuid
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager

import aio_pika

from tests.servers import addresses
from tests.servers.given import Given
from tests.servers.instance import Instance
from tests.servers.kinds import RABBITMQ
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq_management import Management
from tests.servers.readiness import run
from tests.servers.server import Server

_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"


def must_be_shared() -> bool:
    """Whether the given broker has no management API, so that only one test at a time can use it."""
    if not RABBITMQ.given_url:
        return False
    management = _management_of(Given(RABBITMQ, RABBITMQ.given_url))
    if management:
        management.close()
    return management is None


class RabbitMQServer(Server):
    """RabbitMQ 3.10 or newer.

    One at a given address needs its management API for virtual hosts of their own. Without it all tests use the
    given one, one test at a time; what they declared in it through `url` is deleted after each.
    """

    kind = RABBITMQ
    default_port = 5672

    def __init__(self, instance: Instance) -> None:
        self._vhosts: set[str] = set()
        self._management = _management_of(instance)
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="removal-of-virtual-hosts")
        self._removals: list[Future[None]] = []
        super().__init__(instance)

    def ask(self) -> None:
        with socket.create_connection(addresses.place(self.direct_url, self.default_port), timeout=10) as connection:
            connection.sendall(_AMQP_GREETING)
            if not connection.recv(1):
                raise ConnectionError("RabbitMQ hung up")
        if self._management:
            self._management.version()

    def version(self) -> str:
        return self._management.version() if self._management else "without management API"

    def create_vhost(self) -> str:
        """A fresh virtual host; returns its URL. The given one, where there is no management API to make it with."""
        if not self._management:
            return self.url
        name = f"test-{uuid.uuid4().hex[:16]}"
        self._management.make_vhost(name)
        self._vhosts.add(name)
        return addresses.inside(self.url, name)

    def drop_vhost(self, url: str) -> None:
        """Remove a virtual host with all that is in it, also from under connections that are still open.

        Nobody waits for it; what is left goes with `close`.
        """
        if not self._management:
            self._delete_what_was_declared()
            return
        name = addresses.name_inside(url)
        if name in self._vhosts:
            self._vhosts.discard(name)
            self._removals.append(self._aside.submit(self._management.remove_vhost, name))

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

        Returns when it answers. One at a given address is not ours: there, the connections are dropped, and our
        virtual hosts are removed and made again, or else what was declared in the given one is deleted.
        """
        with self.away():
            wait(self._removals)
            if self._instance.is_ours:
                self._start_empty()
            if not self._management:
                self._delete_what_was_declared()
                return
            for name in self._vhosts:
                if not self._instance.is_ours:
                    self._management.remove_vhost(name)
                self._management.make_vhost(name)

    def close(self) -> None:
        if not self._instance.is_ours:
            for name in list(self._vhosts):
                self.drop_vhost(addresses.inside(self.url, name))
            wait(self._removals)
        super().close()  # with our own server, a removal under way ends here
        self._aside.shutdown(cancel_futures=True)
        if self._management:
            self._management.close()

    def _make_proxy(self, port: int, server_host: str, server_port: int) -> Proxy:
        return Proxy(port, server_host, server_port, notes_amqp_names=self._management is None)

    def _delete_what_was_declared(self) -> None:
        async def delete() -> None:
            async with await aio_pika.connect(self.direct_url) as connection:
                for kind, name in self._proxy.declared():
                    await _delete(connection, kind, name)

        run(delete)


def _management_of(instance: Instance) -> Management | None:
    """The management API; our own broker will have it once it answers, another's may have none."""
    management = Management(instance)
    if instance.is_ours or management.answers():
        return management
    management.close()
    return None


async def _delete(connection: aio_pika.abc.AbstractConnection, kind: str, name: str) -> None:
    """Delete a queue or an exchange, unless it is another's: exclusive, or the broker's own."""
    channel = await connection.channel()  # a channel for each, since a refusal closes it
    with contextlib.suppress(aio_pika.exceptions.AMQPError):
        if kind == "queue":
            await channel.queue_delete(name)
        else:
            await channel.exchange_delete(name)
