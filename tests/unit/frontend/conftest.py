from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
from starlette.types import ASGIApp

from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.port import Database
from swarming_common.database.sqlite import open_sqlite
from swarming_common.hints import addresses
from swarming_common.lifecycle import Ports
from swarming_common.model.shards import shard_of_pool
from swarming_frontend.bootstrap import build
from swarming_frontend.settings import FrontendSettings
from tests.unit.frontend.builders import a_new_task
from tests.unit.frontend.scripted_shard import Shard

API = "/api/swarming/v1"


@dataclass(kw_only=True)
class Frontend:
    """A frontend on the embedded adapters, and a client of it."""

    app: ASGIApp
    client: httpx.AsyncClient
    database: Database
    bus: InProcessBus
    cache: InProcessCache
    ports: Ports

    async def get(self, path: str, **params: object) -> httpx.Response:
        return await self.client.get(f"{API}/{path}", params=params)  # type: ignore[arg-type]

    async def post(self, path: str, json: object) -> httpx.Response:
        return await self.client.post(f"{API}/{path}", json=json)


StartFrontend = Callable[..., AbstractAsyncContextManager[Frontend]]


@asynccontextmanager
async def open_frontend(folder: Path, **settings: object) -> AsyncIterator[Frontend]:
    """A frontend on the migrated database in this folder."""
    database = await open_sqlite(folder)
    bus, cache = InProcessBus(), InProcessCache()
    ports = Ports(database=database, bus=bus, cache=cache)
    try:
        async with build(FrontendSettings(**settings))(ports) as app:  # type: ignore[arg-type]
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
                yield Frontend(app=app, client=client, database=database, bus=bus, cache=cache, ports=ports)
    finally:
        await bus.close()
        await cache.close()
        await database.close()


@pytest.fixture
def start_frontend(sqlite_folder: Path) -> StartFrontend:
    return partial(open_frontend, sqlite_folder)


@pytest.fixture
async def frontend(start_frontend: StartFrontend) -> AsyncIterator[Frontend]:
    async with start_frontend() as started:
        yield started


@pytest.fixture
async def shard(frontend) -> AsyncIterator[Shard]:
    scripted = Shard(frontend)
    mailbox = await frontend.bus.open_mailbox(scripted.read)
    await mailbox.listen(addresses.shard(shard_of_pool("default")))
    yield scripted
    await mailbox.close()


@pytest.fixture
async def task_id(frontend) -> str:
    return (await frontend.post("tasks/new", a_new_task())).json()["task_id"]
