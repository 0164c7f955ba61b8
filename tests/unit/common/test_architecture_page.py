"""docs/architecture.md says of each table which service writes it."""

import re
from pathlib import Path

from swarming_common.database.tables import metadata

PAGE = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text()


def test_the_page_names_the_tables_that_each_service_writes():
    rows = re.findall(
        r"^\| (\w+) \|[^|]+\|([^|]+)\|$", PAGE.split("| service | decides")[1].split("\n\n")[0], re.MULTILINE
    )

    said = {service: set(re.findall(r"`(\w+)`", tables)) for service, tables in rows}
    owned: dict[str, set[str]] = {}
    for table in metadata.tables.values():
        owned.setdefault(table.info["owner"], set()).add(table.name)
    assert said == owned
