"""Whether a service says of itself that it can serve, while a server is away."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.postgres import open_postgres
from swarming_common.lifecycle import Ports, opened
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from swarming_frontend import bootstrap
from swarming_frontend.settings import FrontendSettings
from tests.servers import Servers

pytestmark = pytest.mark.real("postgres")


@pytest.fixture
async def frontend(migrated_postgres: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(bootstrap, "PULSE_SECONDS", 0.01)
    ports = Ports(database=await open_postgres(migrated_postgres), bus=InProcessBus(), cache=InProcessCache())
    async with (
        opened(ports),
        bootstrap.build(FrontendSettings())(ports) as app,
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://test") as client,
    ):
        yield client


async def test_a_frontend_is_not_ready_while_its_database_is_away(
    frontend: httpx.AsyncClient, private_servers: Servers
):
    before = await frontend.get("/readyz")

    with private_servers.postgres.away():
        await until_it_answers(frontend, 503, {"serving": True, "database": False})

    await until_it_answers(frontend, 200, {"serving": True, "database": True})
    assert before.status_code == 200


async def until_it_answers(service: httpx.AsyncClient, status: int, found: dict[str, bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (answer := await service.get("/readyz")).status_code != status:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert answer.json() == found
