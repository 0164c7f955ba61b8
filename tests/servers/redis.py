"""Redis for tests: a database number of its own for each."""

import itertools
import os

import redis

from tests.servers import addresses
from tests.servers.instance import Instance
from tests.servers.kinds import REDIS
from tests.servers.server import Server


class RedisServer(Server):
    """Redis 7 or newer, without persistence."""

    kind = REDIS
    default_port = 6379

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance)
        self._numbers = itertools.cycle(self._numbers_of_this_process())
        self._used: set[str] = set()

    def ask(self) -> None:
        with redis.Redis.from_url(self.direct_url, socket_timeout=10) as client:
            client.ping()

    def version(self) -> str:
        with redis.Redis.from_url(self.direct_url) as client:
            return str(client.info("server")["redis_version"])

    def empty_database(self) -> str:
        """The URL of a database number with nothing in it, which no other test uses just now.

        Channels of PUBLISH are the same for all numbers: their names must be the test's own.
        """
        number = next(self._numbers)
        self._used.add(number)
        self._flush(number)
        return addresses.inside(self.url, number)

    def restart_empty(self) -> None:
        """Kill Redis and start it with nothing stored; returns when it answers.

        One at a given address is not ours: there, its connections are dropped, and what we used of it is emptied.
        """
        with self.away():
            if self._instance.is_ours:
                self._start_empty()
                return
            for number in self._used:
                self._flush(number)

    def _flush(self, number: str) -> None:
        with redis.Redis.from_url(addresses.inside(self.direct_url, number)) as client:
            client.flushdb()

    def _numbers_of_this_process(self) -> list[str]:
        """All of them; of a server at a given address a share, since the other workers use it too."""
        with redis.Redis.from_url(self.direct_url) as client:
            count = int(client.config_get("databases")["databases"])
        if self._instance.is_ours:
            return [str(number) for number in range(count)]
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
        return [str(number) for number in range(worker, count, workers)]
