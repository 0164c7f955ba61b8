from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarming_bot.fleet import Fleet
from swarming_bot.settings import fleet_settings
from swarming_bot.tuning import Tuning
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, ScriptedServer

CALM = Tuning(lowest_free_disk_mb=0, cache_free_disk_mb=0)  # whatever the disk of the machine that tests


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def start_bots(server: ScriptedServer, tmp_path: Path) -> Iterator[Callable[..., Fleet]]:
    """Start bots of this process; they are stopped, and must stop, when the test ends."""
    fleets = []

    def start(
        count: int = 1,
        bot_id: str = "bot1",
        hooks: str | None = None,
        tuning: Tuning = CALM,
        reboot_command: tuple[str, ...] = (),
        **dimensions: list[str],
    ) -> Fleet:
        hooks_file = None
        if hooks is not None:
            hooks_file = str(tmp_path / "bot_config.py")
            Path(hooks_file).write_text(hooks)
        work = str(tmp_path / "work")
        settings = fleet_settings(server.url, count, dimensions, bot_id, work, tuning, hooks_file, reboot_command)
        fleet = Fleet(settings)
        fleet.start()
        fleets.append(fleet)
        return fleet

    yield start
    for fleet in fleets:
        fleet.stop()
        assert fleet.join(PATIENCE_SECONDS)
