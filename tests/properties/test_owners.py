"""Whatever becomes of the schedulers too: the promises hold (happenings.py, promises.py)."""

import pytest
from hypothesis import seed

from tests.properties.happenings import SETTINGS, Owners
from tests.properties.seeds import run_seed

TestOwners = seed(run_seed())(Owners).TestCase
TestOwners.settings = SETTINGS
TestOwners = pytest.mark.timeout(900)(TestOwners)
