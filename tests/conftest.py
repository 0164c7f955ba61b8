"""What every test may use: the real servers, and the rule that no test is left out unnoticed."""

pytest_plugins = [
    "tests.no_test_left_out",
    "tests.servers.plugin",
    "tests.cluster.plugin",
    "tests.databases",
    "tests.properties.seeds",
]
