"""docs/telemetry.md names every log event and every metric, and none that is gone."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "telemetry.md").read_text()
SOURCES = [path for folder in ("services", "libs/common", "deploy") for path in (ROOT / folder).rglob("*.py")]


def test_the_page_names_every_log_event():
    logged = {first for call, first in calls() if call in ("debug", "info", "warning", "error", "exception")}

    assert named(PAGE.split("## Log events")[1], r"`([a-z_]+)`") == logged


def test_the_page_names_every_metric():
    measured = {first for call, first in calls() if call in ("Counter", "Gauge", "Histogram", "Summary")}

    assert named(PAGE.split("## Log events")[0], r"`(swarming_[a-z_]+)") == measured


@cache
def calls() -> set[tuple[str, str]]:
    """The name of each call whose first argument is a text, and that text."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if isinstance(node.args[0].value, str) and is_log_or_metric(node.func, name):
                    found.add((name, node.args[0].value))
    return found


def is_log_or_metric(function: ast.expr, name: str) -> bool:
    if isinstance(function, ast.Attribute):
        return isinstance(function.value, ast.Name) and function.value.id in ("log", "_log")
    return name in ("Counter", "Gauge", "Histogram", "Summary")


def named(text: str, pattern: str) -> set[str]:
    return set(re.findall(pattern, text))
