"""A small reverse proxy: each request goes to a replica of the service that its path belongs to, in turn.

Run as a program: `python -m tests.cluster.proxy PORT SERVICE=PORT …`, a pair for each replica; all on 127.0.0.1.

A replica that refuses the connection is passed over for the next one. When a replica dies with a request in hand the
client's connection is closed: only the client knows whether it may ask again. Requests and answers are passed on as
they come, without limits of time or size; nothing slows down a fast sender, which is fine for a test and for nothing
else.
"""

import asyncio
import sys
from collections.abc import Sequence
from itertools import count
from typing import cast

import httptools
import uvloop

from swarming_common.http.paths import service_of

_NO_REPLICA_BODY = b'{"error": {"message": "no replica of this service answers just now"}}'
NO_REPLICA = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_NO_REPLICA_BODY), _NO_REPLICA_BODY)
)


class Replicas:
    """The replicas of one service, and the connections to them that are not in use."""

    def __init__(self) -> None:
        self.ports: list[int] = []
        self._turn = count()
        self._idle: dict[int, list[Upstream]] = {}

    async def connect(self) -> "Upstream | None":
        """A connection to the next replica that takes one; None when none does."""
        first = next(self._turn)
        for offset in range(len(self.ports)):
            port = self.ports[(first + offset) % len(self.ports)]
            idle = self._idle.setdefault(port, [])
            while idle:
                if (kept := idle.pop()).is_open:
                    return kept
            try:
                _, upstream = await asyncio.get_running_loop().create_connection(
                    lambda idle=idle: Upstream(idle),  # type: ignore[misc]
                    "127.0.0.1",
                    port,
                )
            except OSError:
                continue
            return upstream
        return None


class Upstream(asyncio.Protocol):
    """A connection to a replica; it carries one request at a time."""

    def __init__(self, idle: "list[Upstream]") -> None:
        self._idle = idle
        self._client: Client | None = None
        self._transport: asyncio.Transport
        self.is_open = False

    def begin(self, client: "Client") -> None:
        """From now on it belongs to this client, until its answer is complete."""
        self._client = client
        self._parser = httptools.HttpResponseParser(self)

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def abandon(self) -> None:
        """The client has gone: so must the request."""
        self._client = None
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.is_open = cast(asyncio.Transport, transport), True  # uvloop's has another base class

    def connection_lost(self, _: Exception | None) -> None:
        self.is_open = False
        if self._client is not None:
            self._client.lose_upstream()

    def data_received(self, data: bytes) -> None:
        if self._client is None:
            self._transport.abort()  # nobody asked
            return
        self._client.write(data)
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        client, self._client = self._client, None
        if self._parser.should_keep_alive():
            self._idle.append(self)
        else:
            self._transport.close()
        if client is not None:
            client.end_answer()


class Client(asyncio.Protocol):
    """A connection of a client; it sends its next request when it has the answer to the last one."""

    def __init__(self, services: dict[str, Replicas]) -> None:
        self._services = services
        self._transport: asyncio.Transport
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._unsent: list[bytes] = []
        self._upstream: Upstream | None = None
        self._opening: asyncio.Task[None] | None = None

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def end_answer(self) -> None:
        """The answer is complete."""
        self._upstream = None
        self._parser = httptools.HttpRequestParser(self)

    def lose_upstream(self) -> None:
        """The replica died before the answer was complete."""
        self._upstream = None
        self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, _: Exception | None) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._upstream is not None:
            self._upstream.abandon()

    def data_received(self, data: bytes) -> None:
        if self._upstream is not None:
            self._upstream.write(data)
        else:
            self._unsent.append(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._transport.abort()

    def on_message_begin(self) -> None:
        self._url = b""

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_headers_complete(self) -> None:
        self._opening = asyncio.get_running_loop().create_task(self._pass_on())

    async def _pass_on(self) -> None:
        path = self._url.partition(b"?")[0].decode("latin-1")
        upstream = await self._services[service_of(path)].connect()
        unsent, self._unsent = b"".join(self._unsent), []
        if upstream is None:
            self._transport.write(NO_REPLICA)
            self._transport.close()
            return
        self._upstream = upstream
        upstream.begin(self)
        upstream.write(unsent)


async def serve(port: int, replicas: Sequence[str]) -> None:
    """Pass requests on until cancelled."""
    services: dict[str, Replicas] = {}
    for pair in replicas:
        service, _, replica_port = pair.partition("=")
        services.setdefault(service, Replicas()).ports.append(int(replica_port))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(services), "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), sys.argv[2:]))
