from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarming_bot.fleet import Fleet
from swarming_bot.settings import fleet_settings
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def start_bots(server: ScriptedServer, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Start bots of this process; they are stopped, and must stop, when the test ends."""
    fleets = []

    def start(count: int = 1, bot_id: str = "bot1", **dimensions: list[str]) -> Fleet:
        settings = fleet_settings(server.url, count, dimensions, bot_id, str(tmp_path / "work"))
        fleet = Fleet(settings)
        fleet.start()
        fleets.append(fleet)
        return fleet

    yield start
    for fleet in fleets:
        fleet.stop()
        assert fleet.join(PATIENCE_SECONDS)
