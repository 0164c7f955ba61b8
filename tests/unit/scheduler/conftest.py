import pytest

from tests.unit.scheduler.builders import World


@pytest.fixture
def world() -> World:
    return World()
