"""What is done to the system while it works, and a record of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster import Cluster
from tests.cluster.workload import Journal
from tests.servers import Servers

DOWN_SECONDS = 1.0
"""How long a killed service stays away; its supervisor needs a moment too."""

BUSY_SECONDS = 15.0


@dataclass
class Assault:
    """Kills and restarts, one after the other; `deeds` tells what and when."""

    cluster: Cluster
    servers: Servers
    journal: Journal
    deeds: list[str] = field(default_factory=list)
    killed_bots: set[str] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)

    def kill_service(self, name: str) -> None:
        """kill -9, and start it again after a moment."""
        with self._deed(f"kill -9 {name}, start it again"):
            self.cluster.services[name].kill()
            time.sleep(DOWN_SECONDS)
            self.cluster.restart(name)

    def kill_bot(self, name: str, *, comes_back: bool) -> None:
        """kill -9 while it runs a task, if that can be had; its process runs on without it."""
        is_busy = self._wait_until_busy(name)
        with self._deed(f"kill -9 {name} ({'busy' if is_busy else 'idle'}), {'' if comes_back else 'do not '}start it"):
            self.killed_bots.add(name)
            self.cluster.bots[name].kill()
            if comes_back:
                time.sleep(DOWN_SECONDS)
                self.cluster.bots[name].start()

    def empty_rabbitmq(self) -> None:
        """It comes back with nothing it had: no queue, no binding, no message."""
        with self._deed("RabbitMQ comes back empty"):
            self.servers.rabbitmq.restart_empty()

    def empty_redis(self) -> None:
        """It comes back with nothing it had."""
        with self._deed("Redis comes back empty"):
            self.servers.redis.restart_empty()

    def restart_postgres(self) -> None:
        """It crashes and recovers: all connections are lost, and what was not committed."""
        with self._deed("PostgreSQL crashes and recovers"):
            self.servers.postgres.restart()

    @contextmanager
    def _deed(self, what: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            now = time.monotonic()
            self.deeds.append(f"{began - self._began:6.1f} s  {what} ({now - began:.1f} s)")

    def _wait_until_busy(self, bot_id: str) -> bool:
        return wait_for(lambda: self._runs_something(bot_id), BUSY_SECONDS, pause_seconds=0.05)

    def _runs_something(self, bot_id: str) -> bool:
        its = [one for runs in self.journal.executions().values() for one in runs if one.bot_id == bot_id]
        return any(one.ended is None and time.monotonic() - one.began < 1.0 for one in its)


def wait_for(is_so: Callable[[], bool], seconds: float, pause_seconds: float = 0.5) -> bool:
    """Whether it came to be so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True
