from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.bot.bots import StartBots, bots_that_stop
from tests.unit.bot.file_servers import FileServer
from tests.unit.bot.scripted_server import ScriptedServer


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


@pytest.fixture
def start_bots(server: ScriptedServer, tmp_path: Path) -> Iterator[StartBots]:
    """Start bots of this process; they are stopped, and must stop, when the test ends."""
    with bots_that_stop(server, tmp_path) as start:
        yield start


@pytest.fixture
def files() -> Iterator[FileServer]:
    one = FileServer()
    yield one
    one.close()


@pytest.fixture
def task_folder(tmp_path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    return folder
