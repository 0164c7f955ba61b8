"""One seed for all property tests of a run, shown in its header so that the run can be repeated."""

import os
from random import SystemRandom

import pytest

VARIABLE = "SWARMING_PROPERTY_SEED"


def run_seed() -> int:
    """The seed of this run."""
    return int(os.environ.setdefault(VARIABLE, str(SystemRandom().randrange(1_000_000_000))))


def pytest_configure(config: pytest.Config) -> None:
    """Draw it before there are workers, which inherit it."""
    del config
    run_seed()


def pytest_report_header() -> str:
    """How to repeat the run."""
    return f"property tests: {VARIABLE}={run_seed()}"
