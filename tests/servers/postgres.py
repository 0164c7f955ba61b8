"""PostgreSQL for tests: a fresh database for each."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import asyncpg

from tests.servers import addresses
from tests.servers.instance import Instance
from tests.servers.kinds import POSTGRES
from tests.servers.readiness import run
from tests.servers.server import Server


class PostgresServer(Server):
    """PostgreSQL 15 or newer, with fsync; `url` leads to a database that is nobody's, as an account that may do all."""

    kind = POSTGRES
    default_port = 5432

    def __init__(self, instance: Instance) -> None:
        self._templates: dict[str, str] = {}
        self._aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="next-database")
        self._next: dict[str | None, Future[str]] = {}
        super().__init__(instance)

    def ask(self) -> None:
        self._run("SELECT 1")

    def version(self) -> str:
        return self._run("SHOW server_version").split()[0]

    def create_database(self, template: str | None = None) -> str:
        """A fresh database, a copy of the template if one is named; returns its URL.

        To make one takes a fifth of a second, so the next one is made while the test at hand runs.
        """
        name = self._made_ahead(template) or self._create(template)
        self._next[template] = self._aside.submit(self._create, template)
        return addresses.inside(self.url, name)

    def drop_database(self, url: str) -> None:
        """Remove a database, also from under connections that are still open."""
        self._run(f'DROP DATABASE IF EXISTS "{addresses.name_inside(url)}" WITH (FORCE)')

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """The URL of a fresh database, which is dropped at the end of the block."""
        url = self.create_database(template)
        try:
            yield url
        finally:
            self.drop_database(url)

    def template(self, purpose: str, fill: Callable[[str], object]) -> str:
        """The name of a template for `create_database` that `fill(url)` prepared; filled once for each purpose.

        `fill` must leave no connection open.
        """
        if purpose not in self._templates:
            url = self.create_database()
            fill(url)
            self._templates[purpose] = addresses.name_inside(url)
        return self._templates[purpose]

    def close(self) -> None:
        self._aside.shutdown()
        if not self._instance.is_ours:
            for name in [*self._templates.values(), *map(self._made_ahead, list(self._next))]:
                self._run(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        super().close()

    def _create(self, template: str | None) -> str:
        name = f"test_{uuid.uuid4().hex[:16]}"
        self._run(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return name

    def _made_ahead(self, template: str | None) -> str | None:
        if template in self._next:
            with contextlib.suppress(asyncpg.PostgresError, OSError):  # a restart came in between
                return self._next.pop(template).result()
        return None

    def _run(self, statement: str) -> str:
        async def fetch() -> str:
            connection = await asyncpg.connect(self.direct_url, timeout=10)
            try:
                return str(await connection.fetchval(statement))
            finally:
                await connection.close()

        return run(fetch)
