"""What every test may use: the real servers, and the rule that no test is left out unnoticed."""

import pytest

pytest.register_assert_rewrite("tests.chaos.promises")  # it asserts, but is no test file

pytest_plugins = [
    "tests.no_test_left_out",
    "tests.logs",
    "tests.servers.plugin",
    "tests.cluster.plugin",
    "tests.databases",
    "tests.properties.seeds",
]
