"""Which commands there are: those of this package, and what others add by the entry-point group."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from importlib import import_module
from typing import Protocol, cast

PLUGIN_GROUP = "swarming.commands"
BOT_COMMANDS = (
    "terminate",
    "bot-events",
    "bot-quarantine",
    "bot-maintenance",
    "bot-restart",
    "bot-delete",
)
FILE_COMMANDS = ("hooks", "bootstrap", "bot-archive")
BUILTIN = (
    *("run", "trigger", "collect", "cancel", "retry", "priority", "tasks", "task", "why", "bots"),
    *BOT_COMMANDS,
    *FILE_COMMANDS,
)


class Command(Protocol):
    """What a command's module has."""

    HELP: str

    def configure(self, parser: argparse.ArgumentParser) -> None:
        """Add the command's options."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do it and return the exit code."""
        ...


class BrokenCommand(Exception):
    """A plugin is installed but does not load."""


def load_command(name: str) -> Command | None:
    """Load the command of this name, or return None when there is none; raises BrokenCommand."""
    if name in BUILTIN:
        return cast(Command, import_module(f"swarming_client.commands.{name.replace('-', '_')}"))
    module = plugins().get(name)
    if module is None:
        return None
    try:
        return cast(Command, import_module(module))
    except Exception as error:  # whatever somebody else's module may raise while it is imported
        raise BrokenCommand(f"{module}: {type(error).__name__}: {error}") from error


def plugins() -> dict[str, str]:
    """Return the module of each command that other packages add."""
    from importlib.metadata import entry_points  # it reads every installed package's metadata

    return {point.name: point.value for point in entry_points(group=PLUGIN_GROUP)}


def help_lines() -> Iterator[tuple[str, str]]:
    """Yield each command's name and its line of help; a broken plugin's line says so."""
    for name in [*BUILTIN, *sorted(plugins().keys() - set(BUILTIN))]:
        try:
            command = load_command(name)
            yield name, command.HELP if command else ""
        except BrokenCommand as broken:
            yield name, f"(does not load: {broken})"
