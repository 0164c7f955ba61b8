"""docs/deployment.md names every setting with its default, and none that is gone."""

import re
from pathlib import Path
from typing import Any

from swarming_botgateway.settings import BotGatewaySettings
from swarming_frontend.settings import FrontendSettings
from swarming_scheduler.settings import SchedulerSettings
from swarming_stats.settings import StatsSettings

PAGE = (Path(__file__).parents[3] / "docs" / "deployment.md").read_text()
DEFAULTS = {
    name.upper(): field.default
    for settings in (FrontendSettings, SchedulerSettings, BotGatewaySettings, StatsSettings)
    for name, field in settings.model_fields.items()
}
UNITS = {"KiB": 1024, "MiB": 1024**2, "MB": 1000**2}


def test_the_page_names_every_setting():
    assert {name for names, _ in rows() for name in names} == set(DEFAULTS)


def test_the_page_says_the_defaults():
    said = {name: value for names, cell in rows() for name, value in zip(names, values(cell, len(names)), strict=True)}

    assert said == DEFAULTS


def rows() -> list[tuple[list[str], str]]:
    """The names in each row of the table, and the cell with their defaults."""
    table = PAGE.split("## Settings")[1].split("\n## ")[0]
    cells = [line.split("|") for line in table.splitlines() if line.startswith("| `")]
    return [(re.findall(r"`([A-Z_]+)`", row[1]), row[2].strip()) for row in cells]


def values(cell: str, count: int) -> list[Any]:
    """The defaults of so many settings; what follows a semicolon is for people."""
    said = cell.partition(";")[0]
    if said == "–":
        return [""] * count
    if " to " in said:
        first, last = map(int, said.split(" to "))
        return list(range(first, last + 1))
    return [value(word) for word in said.split(", ")]


def value(word: str) -> Any:
    number, _, unit = word.partition(" ")
    if re.fullmatch(r"[\d.]+", number):
        return float(number) * UNITS.get(unit, 1)
    text = word.strip("`")
    return {"true": True, "false": False}.get(text, text)
