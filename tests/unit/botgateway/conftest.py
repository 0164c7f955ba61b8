from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.botgateway.world import World, a_world


@pytest.fixture
async def world(sqlite_folder: Path) -> AsyncIterator[World]:
    async with a_world(sqlite_folder) as world:
        yield world
