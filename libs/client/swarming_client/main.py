"""The `swarming` command: find the subcommand, run it, and turn failures into a line and an exit code."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from swarming_client.command_table import BrokenCommand, help_lines, load_command
from swarming_client.errors import SwarmingError, UsageError
from swarming_client.server_address import DEFAULT_SERVER, SERVER_VARIABLE

FAILURE = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE, what a program gets that does not handle it


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code; 1 is a failure, 2 a wrong use."""
    _prepare_streams()
    try:
        code = _run([_as_utf8(argument) for argument in (sys.argv[1:] if argv is None else argv)])
        sys.stdout.flush()  # here, where a closed pipe can still be told from a success
        return code
    except BrokenPipeError:
        _drop_unwritten_output()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except UsageError as error:
        return _complain(str(error), USAGE)
    except SwarmingError as error:
        return _complain(str(error), FAILURE, error.details)
    except OSError as error:  # a full disk behind standard output, say
        return _complain(str(error), FAILURE)


def _as_utf8(argument: str) -> str:
    """An argument as it is meant: in a locale without UTF-8 Python keeps its bytes as halves of surrogate pairs."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:  # a file's name may be any bytes; whatever else needs text says so
        return argument


def _run(argv: list[str]) -> int:
    try:
        return _dispatch(argv)
    except SystemExit as leaving:  # argparse or a signal; the word about it has been said
        return leaving.code if isinstance(leaving.code, int) else FAILURE


def _dispatch(argv: list[str]) -> int:
    top = _top_parser().parse_args(argv)
    if top.help:
        print(_help())
        return 0
    if top.version:
        print(f"swarming {_version()}")
        return 0
    if top.command is None:
        print(_help(), file=sys.stderr)
        return USAGE
    try:
        command = load_command(top.command)
    except BrokenCommand as broken:
        return _complain(f"the command {top.command!r} is installed but does not load: {broken}", FAILURE)
    if command is None:
        return _complain(f"there is no command {top.command!r}; `swarming --help` lists them", USAGE)
    parser = argparse.ArgumentParser(prog=f"swarming {top.command}", description=command.HELP)
    command.configure(parser)
    if top.server is not None:
        parser.set_defaults(server=top.server)
    return command.run(_parse(parser, top.arguments))


def _parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Options may stand between ids too, but not in what a command hands on or leaves to subcommands."""
    try:
        return parser.parse_intermixed_args(arguments)
    except TypeError:  # how argparse says that it is one of the latter
        return parser.parse_args(arguments)


def _version() -> str:
    from importlib.metadata import version  # here, since it takes a moment that no other command should

    return version("swarming-client")


def _top_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="swarming", add_help=False, usage="swarming [--server URL] COMMAND …")
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--server")
    parser.add_argument("command", nargs="?")
    parser.add_argument("arguments", nargs=argparse.REMAINDER)
    return parser


def _help() -> str:
    commands = list(help_lines())
    width = max(len(name) for name, _ in commands)
    lines = [f"  {name.ljust(width)}  {line}" for name, line in commands]
    return "\n".join(
        [
            "usage: swarming [--server URL] COMMAND …",
            "",
            "Hand tasks to machines, and see what becomes of them.",
            "",
            "commands:",
            *lines,
            "",
            f"The server is --server, else ${SERVER_VARIABLE}, else {DEFAULT_SERVER}.",
            "`swarming COMMAND --help` tells more of each, `swarming --version` which one this is.",
        ]
    )


def _prepare_streams() -> None:
    """Make every text printable and every stream there, whatever locale and shell started us."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - it lives as long as the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115 - as above
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _drop_unwritten_output() -> None:
    """Let the interpreter's last flush go nowhere instead of failing again."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _complain(message: str, code: int, details: str = "") -> int:
    print("swarming: " + " ".join(message.split()), file=sys.stderr)
    if details:
        print(details, file=sys.stderr)
    return code
