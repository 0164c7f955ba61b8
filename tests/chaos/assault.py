"""What is done to the system while it works, and a record of it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.cluster import Deployment
from tests.cluster.workload import Journal
from tests.servers import Servers

DOWN_SECONDS = 1.0
"""How long a killed service stays away; its supervisor needs a moment too."""

BUSY_SECONDS = 15.0
LEFT_SECONDS = 2.5
"""What a killed bot's task must have before it: long enough to run beside its second run, should that come too soon."""
PROGRESS_SECONDS = 30.0
"""After a restart it takes two or three."""


@dataclass
class Assault:
    """Kills of services and bots, one after the other; `deeds` tells what and when."""

    deployment: Deployment
    journal: Journal
    deeds: list[str] = field(default_factory=list)
    killed_bots: set[str] = field(default_factory=set)
    _began: float = field(default_factory=time.monotonic)

    def kill_service(self, name: str) -> None:
        """kill -9, and start it again after a moment."""
        with self.deed(f"kill -9 {name}, start it again"):
            self.deployment.services[name].kill()
            time.sleep(DOWN_SECONDS)
            self.deployment.restart(name)

    def kill_bot(self, name: str, *, comes_back: bool) -> None:
        """kill -9 in the midst of a task, if that can be had; the task's process runs on without it."""
        is_busy = self._wait_until_busy(name)
        with self.deed(f"kill -9 {name} ({'busy' if is_busy else 'idle'}), {'' if comes_back else 'do not '}start it"):
            self.killed_bots.add(name)
            self.deployment.bots[name].kill()
            if comes_back:
                time.sleep(DOWN_SECONDS)
                self.deployment.bots[name].start()

    def wait_for_progress(self, tasks: int) -> None:
        """Return when so many more processes have ended; a system that stands still fails the test."""
        wanted = self._ended() + tasks
        assert wait_for(lambda: self._ended() >= wanted, PROGRESS_SECONDS), "no task runs any more"

    def _ended(self) -> int:
        return sum(run.ended is not None for runs in self.journal.executions().values() for run in runs)

    @contextmanager
    def deed(self, what: str) -> Iterator[None]:
        """Note what is done in this block, and how long it takes."""
        began = time.monotonic()
        try:
            yield
        finally:
            now = time.monotonic()
            self.deeds.append(f"{began - self._began:6.1f} s  {what} ({now - began:.1f} s)")

    def _wait_until_busy(self, bot_id: str) -> bool:
        return wait_for(lambda: self._is_amidst_a_task(bot_id), BUSY_SECONDS, pause_seconds=0.05)

    def _is_amidst_a_task(self, bot_id: str) -> bool:
        its = [one for runs in self.journal.executions().values() for one in runs if one.bot_id == bot_id]
        last = max(its, key=lambda one: one.began, default=None)
        until = last.began + last.planned_seconds if last is not None and last.ended is None else 0.0
        return until - time.monotonic() > LEFT_SECONDS


@dataclass
class AssaultOnServers(Assault):
    """The same, and on the servers below as well."""

    servers: Servers = field(kw_only=True)

    def empty_rabbitmq(self) -> None:
        """It comes back with nothing it had: no queue, no binding, no message."""
        with self.deed("RabbitMQ comes back empty"):
            self.servers.rabbitmq.restart_empty()

    def empty_redis(self) -> None:
        """It comes back with nothing it had."""
        with self.deed("Redis comes back empty"):
            self.servers.redis.restart_empty()

    def restart_postgres(self) -> None:
        """It crashes and recovers: all connections are lost, and what was not committed."""
        with self.deed("PostgreSQL crashes and recovers"):
            self.servers.postgres.restart()


def wait_for(is_so: Callable[[], bool], seconds: float, pause_seconds: float = 0.5) -> bool:
    """Whether it came to be so in time."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_seconds)
    return True
