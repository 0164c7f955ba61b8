import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarming_common.database.migrate import migrate
from swarming_common.database.sqlite import sqlite_url
from tests.unit.botgateway.world import World, a_world


@pytest.fixture(scope="session")
def migrated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database to copy: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("botgateway")
    migrate(sqlite_url(folder))
    return folder


@pytest.fixture
def folder(migrated_folder: Path, tmp_path: Path) -> Path:
    return shutil.copytree(migrated_folder, tmp_path / "data")


@pytest.fixture
async def world(folder: Path) -> AsyncIterator[World]:
    async with a_world(folder) as world:
        yield world
