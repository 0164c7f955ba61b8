"""All services in one process, without a socket: a test plays the client and the bots."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.sqlite import open_sqlite
from swarming_common.lifecycle import Ports, opened
from swarming_standalone.server import all_services
from swarming_standalone.settings import StandaloneSettings

API = "/_ah/api/swarming/v1"
WAIT_SECS = 20


@dataclass
class Whole:
    """A whole Swarming, as whoever talks to it over HTTP knows it."""

    http: httpx.AsyncClient

    async def get(self, path: str, **query: Any) -> Any:
        """The answer of the client's API."""
        answer = await self.http.get(f"{API}/{path}", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def post(self, path: str, body: Any) -> Any:
        """The same of a POST."""
        answer = await self.http.post(f"{API}/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ended(self, task_id: str) -> Any:
        """A task's result once it is final, with the stats."""
        asked = {"wait_secs": WAIT_SECS, "include_performance_stats": "true"}
        return await self.get(f"task/{task_id}/result", **asked)


@pytest.fixture
async def whole(sqlite_folder: Path) -> AsyncIterator[Whole]:
    ports = Ports(database=await open_sqlite(sqlite_folder), bus=InProcessBus(), cache=InProcessCache())
    settings = StandaloneSettings(parting_seconds=0, heard_seconds=0.02, costs_seconds=0.02)
    async with opened(ports), all_services(settings, ports) as app:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            yield Whole(http)
