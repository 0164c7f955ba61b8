"""The servers of one process, each started when it is first asked for or announced."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from tests.servers.instance import Instance
from tests.servers.kinds import KINDS, POSTGRES, RABBITMQ, REDIS, Kind
from tests.servers.postgres import PostgresServer
from tests.servers.rabbitmq import RabbitMQServer
from tests.servers.redis import RedisServer
from tests.servers.server import Server
from tests.servers.sources import fetch_what_is_missing, instance_of

_CLASSES: dict[Kind, type[Server]] = {
    POSTGRES: PostgresServer,
    RABBITMQ: RabbitMQServer,
    REDIS: RedisServer,
}


class Servers:
    """PostgreSQL, RabbitMQ and Redis, as far as they are asked for."""

    def __init__(self, source: Callable[[str], Instance] = instance_of) -> None:
        self._source = source
        self._threads = ThreadPoolExecutor(max_workers=len(KINDS), thread_name_prefix="start-of-servers")
        self._started: dict[str, Future[Server]] = {}

    @property
    def postgres(self) -> PostgresServer:
        server = self._get(POSTGRES)
        assert isinstance(server, PostgresServer)
        return server

    @property
    def rabbitmq(self) -> RabbitMQServer:
        server = self._get(RABBITMQ)
        assert isinstance(server, RabbitMQServer)
        return server

    @property
    def redis(self) -> RedisServer:
        server = self._get(REDIS)
        assert isinstance(server, RedisServer)
        return server

    def begin(self, names: Iterable[str]) -> None:
        """Start these servers side by side, and wait for none; whoever asks for one waits."""
        for name in names:
            if name not in self._started:
                self._started[name] = self._threads.submit(self._start, KINDS[name])

    def resume(self) -> None:
        """Make all reachable again that a test left cut off."""
        for server in self._running():
            server.resume()

    def described(self) -> list[str]:
        """One line for each that runs: what it is and where it came from."""
        return [server.described for server in self._running()]

    def close(self) -> None:
        """Stop all that were started."""
        for server in self._running():
            server.close()
        self._started.clear()
        self._threads.shutdown()

    def _start(self, kind: Kind) -> Server:
        instance = self._source(kind.name)
        try:
            return _CLASSES[kind](instance)
        except BaseException:
            instance.close()
            raise

    def _get(self, kind: Kind) -> Server:
        self.begin([kind.name])
        return self._started[kind.name].result()

    def _running(self) -> list[Server]:
        return [future.result() for future in self._started.values() if future.exception() is None]


@contextmanager
def open_servers(names: Iterable[str] = tuple(KINDS)) -> Iterator[Servers]:
    """These servers, for a program that is no test; what is missing is fetched, and told on standard error."""
    wanted = list(names)
    fetch_what_is_missing([KINDS[name] for name in wanted], lambda line: print(line, file=sys.stderr))
    servers = Servers()
    try:
        servers.begin(wanted)
        yield servers
    finally:
        servers.close()
