"""The bot is served as one zip to machines that have nothing but Python."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import swarming_bot


def test_the_bot_imports_nothing_but_the_standard_library_and_itself() -> None:
    folder = Path(swarming_bot.__file__).parent

    imported = {(path.name, name) for path in folder.rglob("*.py") for name in _packages_imported_in(path)}

    foreign = {(file, name) for file, name in imported if name not in sys.stdlib_module_names | {"swarming_bot"}}
    assert not foreign


def _packages_imported_in(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]
