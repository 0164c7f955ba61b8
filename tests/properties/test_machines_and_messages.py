"""Whatever becomes of machines, hints, gateways and the broker: the promises hold (happenings.py, promises.py)."""

import pytest
from hypothesis import seed

from tests.properties.happenings import SETTINGS, Happenings
from tests.properties.seeds import run_seed

TestMachinesAndMessages = seed(run_seed())(Happenings).TestCase
TestMachinesAndMessages.settings = SETTINGS
TestMachinesAndMessages = pytest.mark.timeout(900)(TestMachinesAndMessages)
