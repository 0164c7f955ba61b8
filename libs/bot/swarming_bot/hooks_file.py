"""The file with the bot's own hooks."""

from __future__ import annotations


def source_of(path: str) -> str:
    """The hooks' source; one that cannot be read is one that cannot be loaded, and says why."""
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        return f"raise RuntimeError({str(error)!r})\n"
