"""A test that was left out fails the run: skipped, expected to fail, or deselected though nobody asked for it."""

from typing import Any

import pytest

_REPORT_KEY = "tests_deselected_unasked"


class LeftOut:
    """Remembers, in the process that prints the summary, which tests did not count, and why."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._unasked: set[str] = set()
        self.reasons: dict[str, str] = {}

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        option = self._config.option
        if not (option.markexpr or option.keyword or option.lf or getattr(option, "deselect", None)):
            self._unasked.update(item.nodeid for item in items)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.reasons[report.nodeid] = f"skipped: {_why(report)}"

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if hasattr(report, "wasxfail"):
            self.reasons[report.nodeid] = f"expected to fail: {report.wasxfail}"
        elif report.skipped:
            self.reasons[report.nodeid] = f"skipped: {_why(report)}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Hears from a worker of pytest-xdist what it deselected."""
        self._unasked.update(getattr(node, "workeroutput", {}).get(_REPORT_KEY, ()))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.reasons.update(dict.fromkeys(self._unasked, "deselected"))
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output[_REPORT_KEY] = sorted(self._unasked)
        elif self.reasons and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if not self.reasons:
            return
        terminalreporter.section("tests left out: the run fails", red=True)
        for name, reason in sorted(self.reasons.items()):
            terminalreporter.line(f"{name}  {reason}")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(LeftOut(config), "no_test_left_out")


def _why(report: pytest.CollectReport | pytest.TestReport) -> str:
    return str(report.longrepr[2]) if isinstance(report.longrepr, tuple) else str(report.longrepr)
