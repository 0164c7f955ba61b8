"""Bots of the tests' own process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from swarming_bot.fleet import Fleet
from swarming_bot.settings import fleet_settings
from swarming_bot.tuning import Tuning
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, ScriptedServer

CALM = Tuning(lowest_free_disk_mb=0, cache_free_disk_mb=0)  # whatever the disk of the machine that tests

StartBots = Callable[..., Fleet]


@contextmanager
def bots_that_stop(server: ScriptedServer, folder: Path) -> Iterator[StartBots]:
    """Starts bots that work in this folder; they are stopped, and must stop, at the end."""
    fleets = []

    def start(
        count: int = 1,
        bot_id: str = "bot1",
        hooks: str | None = None,
        tuning: Tuning = CALM,
        reboot_command: tuple[str, ...] = (),
        url: str | None = None,
        **dimensions: list[str],
    ) -> Fleet:
        hooks_file = None
        if hooks is not None:
            hooks_file = str(folder / "bot_config.py")
            Path(hooks_file).write_text(hooks)
        work = str(folder / "work")
        settings = fleet_settings(
            url or server.url, count, dimensions, bot_id, work, tuning, hooks_file, reboot_command
        )
        fleet = Fleet(settings)
        fleet.start()
        fleets.append(fleet)
        return fleet

    yield start
    for fleet in fleets:
        fleet.stop()
        assert fleet.join(PATIENCE_SECONDS)
