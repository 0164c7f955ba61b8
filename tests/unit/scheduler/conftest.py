import pytest

from swarming_common.database.port import Database
from tests.unit.scheduler.builders import World
from tests.unit.scheduler.surroundings import Surroundings


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def around(sqlite_database: Database) -> Surroundings:
    return Surroundings(sqlite_database)
