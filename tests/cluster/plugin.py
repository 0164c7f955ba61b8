"""Shows the end of every log of a deployment that runs while a test fails."""

from collections.abc import Generator

import pytest

from tests.cluster.deployment import OPEN


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        for deployment in OPEN:
            report.sections += [(f"end of the log of {name}", text) for name, text in deployment.log_ends()]
    return report
