"""A short run of the long simulation (simulation.py), and that it can be repeated."""

import pytest

from tests.properties.seeds import run_seed
from tests.properties.simulation import Story


@pytest.mark.timeout(600)
def test_a_quarter_of_an_hour_with_vanishing_machines_and_moving_shards() -> None:
    totals = Story(seed=run_seed(), bots=100, hours=0.25).tell()

    assert totals["COMPLETED"]
    assert totals["takeovers"]


def test_the_same_seed_tells_the_same_story() -> None:
    first, second = (Story(seed=5, bots=15, hours=0.03).tell() for _ in range(2))

    assert first | {"cpu seconds": 0} == second | {"cpu seconds": 0}
