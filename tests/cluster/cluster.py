"""The distributed form: each service its own process, as many of each as wanted, behind a reverse proxy."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from swarming_common.database.migrate import migrate
from swarming_common.database.port import Work
from swarming_common.database.postgres import open_postgres
from tests.cluster.deployment import Deployment, T, wait_until_ready
from tests.cluster.program import Program
from tests.servers.ports import free_port
from tests.servers.readiness import run

SERVICES = ("frontend", "scheduler", "botgateway", "stats")
PROXY = "proxy"


class Cluster(Deployment):
    """Swarming on PostgreSQL, RabbitMQ and Redis at these addresses; the database is migrated first.

    The services are called `frontend-1`, `frontend-2`, `scheduler-1`, `botgateway-1`, `stats-1`, …, and `proxy`. A
    service keeps its port when it is started again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database_url: str,
        bus_url: str,
        cache_url: str,
        frontends: int = 1,
        schedulers: int = 1,
        botgateways: int = 1,
        stats: int = 1,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        addresses = {
            "SWARMING_DATABASE_URL": database_url,
            "SWARMING_BUS_URL": bus_url,
            "SWARMING_CACHE_URL": cache_url,
        }
        super().__init__(folder, {**addresses, **(settings or {})})
        self._database_url = database_url
        self.bus_url = bus_url
        self.ports: dict[str, int] = {}
        """Where each service listens, past the proxy."""
        for service, count in zip(SERVICES, (frontends, schedulers, botgateways, stats), strict=True):
            for number in range(1, count + 1):
                self._add(service, f"{service}-{number}")
        self._add_proxy()

    def start(self) -> None:
        migrate(self._database_url)
        for program in self.services.values():
            program.start()
        for name in self.services:
            self.wait_ready(name)

    def wait_ready(self, name: str) -> None:
        if name != PROXY:
            wait_until_ready(self.services[name], f"http://127.0.0.1:{self.ports[name]}")
        else:
            wait_until_ready(self.services[name], self.url)  # through it to a frontend

    def read(self, work: Work[T]) -> T:
        return run(lambda: self._read(work))

    def names(self, service: str) -> list[str]:
        """The names of all replicas of a service."""
        return [name for name in self.services if name.startswith(f"{service}-")]

    async def _read(self, work: Work[T]) -> T:
        database = await open_postgres(self._database_url)
        try:
            return await database.read(work)
        finally:
            await database.close()

    def _add(self, service: str, name: str) -> None:
        port = self.ports[name] = free_port()
        self.services[name] = Program(
            name,
            [sys.executable, "-m", f"swarming_{service}"],
            folder=self.folder,
            environment={**self.settings, f"SWARMING_{service.upper()}_PORT": str(port)},
        )

    def _add_proxy(self) -> None:
        port = free_port()
        self.url = self.settings["SWARMING_PUBLIC_URL"] = f"http://127.0.0.1:{port}"
        replicas = [f"{name.rpartition('-')[0]}={port_of}" for name, port_of in self.ports.items()]
        self.services[PROXY] = Program(
            PROXY,
            [sys.executable, "-m", "tests.cluster.proxy", str(port), *replicas],
            folder=self.folder,
            environment={"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *_python_path()])},
        )


def _python_path() -> list[str]:
    path = os.environ.get("PYTHONPATH")
    return [path] if path else []
