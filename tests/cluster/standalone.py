"""The embedded form: all services in one process, with its data in a folder."""

import sys
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import create_engine

from swarming_common.database.port import Work
from swarming_common.database.sqlite import sqlite_url
from tests.cluster.deployment import Deployment, T, wait_until_ready
from tests.cluster.program import Program
from tests.servers.ports import free_port


class Standalone(Deployment):
    """`swarming standalone` on a free port. The one service is called `standalone`."""

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, settings)
        self._data = folder / "data"
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self.services["standalone"] = Program(
            "standalone",
            [
                str(Path(sys.executable).with_name("swarming")),
                *("standalone", "--port", str(port), "--data", str(self._data)),
            ],
            folder=folder,
            environment=self.settings,
        )

    def start(self) -> None:
        self.services["standalone"].start()
        self.wait_ready("standalone")

    def wait_ready(self, name: str) -> None:
        wait_until_ready(self.services[name], self.url)

    def read(self, work: Work[T]) -> T:
        engine = create_engine(sqlite_url(self._data))
        try:
            with engine.connect() as connection:
                return work(connection)
        finally:
            engine.dispose()
