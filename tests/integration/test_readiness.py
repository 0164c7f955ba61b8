"""Whether a service says of itself that it can serve, while a server is away."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.health import FRESH_SECONDS
from swarming_common.database.postgres import open_postgres
from swarming_common.lifecycle import Ports, opened
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from swarming_frontend import bootstrap
from swarming_frontend.settings import FrontendSettings
from tests.servers import Servers

pytestmark = pytest.mark.real("postgres")


@pytest.fixture
async def frontend(migrated_postgres: str) -> AsyncIterator[httpx.AsyncClient]:
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
        found = await until_it_answers(frontend, 503)

    assert found == {"serving": True, "database": False, "wrong": {"database": "the database does not answer"}}
    assert await until_it_answers(frontend, 200) == {"serving": True, "database": True}
    assert before.status_code == 200


async def test_a_frontend_says_within_two_seconds_that_its_database_is_frozen(
    frontend: httpx.AsyncClient, private_servers: Servers
):
    await until_it_answers(frontend, 200)
    private_servers.postgres.freeze()
    try:
        with capture_logs() as logs:
            await asyncio.sleep(FRESH_SECONDS)
            frozen = [await asyncio.wait_for(frontend.get("/readyz"), DEADLINE_SECONDS) for _ in range(3)]
    finally:
        private_servers.resume()
    await until_it_answers(frontend, 200)

    assert [one.status_code for one in frozen] == [503] * 3
    assert frozen[0].json()["wrong"] == {"database": "the database does not answer"}
    assert [one["event"] for one in logs].count("database_in_trouble") == 1


async def until_it_answers(service: httpx.AsyncClient, status: int) -> dict[str, Any]:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while (answer := await service.get("/readyz")).status_code != status:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    found: dict[str, Any] = answer.json()
    return found
