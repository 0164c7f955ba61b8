"""The options that describe a new task, for every command that submits one."""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Iterable

from swarming_client.errors import UsageError
from swarming_client.new_task import (
    DEFAULT_EXECUTION_TIMEOUT_SECS,
    DEFAULT_EXPIRATION_SECS,
    DEFAULT_IO_TIMEOUT_SECS,
    DEFAULT_PRIORITY,
    NewTask,
)
from swarming_client.option_types import duration, key_value, tag


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where, how and for how long the command runs, and the command."""
    where = parser.add_argument_group("where it runs")
    where.add_argument(
        "-d",
        "--dimension",
        action="append",
        default=[],
        type=key_value,
        metavar="K=V",
        help="what the bot must have; repeatable; K=V1|V2 takes either (default: pool=default)",
    )
    where.add_argument("--wait-for-capacity", action="store_true", help="wait even while no bot has these dimensions")
    _add_how(parser)
    _add_when(parser)
    _add_labels(parser)
    parser.usage = "%(prog)s [OPTION …] -- COMMAND [ARGUMENT …]"
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="-- COMMAND", help="the command and its arguments")


def task_from(args: argparse.Namespace) -> NewTask:
    """Make the task that the options describe; raises UsageError without a command."""
    command = command_of(args)
    if not command:
        raise UsageError("say which command to run, after `--`")
    return NewTask(
        command=command,
        dimensions=args.dimension,
        name=args.name,
        priority=_number(args.priority, DEFAULT_PRIORITY),
        expiration_secs=_number(args.expiration, DEFAULT_EXPIRATION_SECS),
        execution_timeout_secs=_number(args.timeout, DEFAULT_EXECUTION_TIMEOUT_SECS),
        io_timeout_secs=_number(args.io_timeout, DEFAULT_IO_TIMEOUT_SECS),
        env=dict(args.env),
        env_prefixes=_grouped(args.env_prefix),
        relative_cwd=args.relative_cwd,
        data=args.data,
        idempotent=args.idempotent,
        wait_for_capacity=args.wait_for_capacity,
        tags=args.tag,
        user=args.user if args.user is not None else login_name(),
        parent_task_id=args.parent,
        outlives_parent=args.outlives_parent,
    )


def command_of(args: argparse.Namespace) -> list[str]:
    """Give the command of the line, without the `--` before it."""
    command: list[str] = args.command
    return command[1:] if command[:1] == ["--"] else command


def given_options(args: argparse.Namespace) -> list[str]:
    """Name those of a task's options that the line has, even if it gives one its default."""
    blank = argparse.ArgumentParser()
    add_task_options(blank)
    unset = vars(blank.parse_args([]))
    return [
        "--" + name.replace("_", "-")
        for name, value in unset.items()
        if name != "command" and getattr(args, name) != value
    ]


def login_name() -> str | None:
    """Give the name of the person at this machine, if it has one."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a user id without a name, as in some containers
        return None


def _add_how(parser: argparse.ArgumentParser) -> None:
    how = parser.add_argument_group("how it runs")
    how.add_argument(
        "--env", action="append", default=[], type=key_value, metavar="K=V", help="an environment variable"
    )
    how.add_argument(
        "--env-prefix",
        action="append",
        default=[],
        type=key_value,
        metavar="K=PATH",
        help="put a path, relative to the task's folder, before what a variable such as PATH holds",
    )
    how.add_argument("--relative-cwd", metavar="PATH", help="the folder below the task's own to start in")
    how.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="URL",
        help="a zip to unpack into the task's folder first; repeatable; URL#sha256=DIGEST has it checked",
    )
    how.add_argument("--idempotent", action="store_true", help="a finished twin's result will do instead of a run")


def _add_when(parser: argparse.ArgumentParser) -> None:
    when = parser.add_argument_group("when and for how long (seconds, or 90s, 15m, 6h, 2d)")
    when.add_argument(
        "--priority", type=int, metavar="N", help=f"0 to 255, lower goes first (default: {DEFAULT_PRIORITY})"
    )
    when.add_argument(
        "--expiration", type=duration, metavar="TIME", help="how long it may wait for a bot (default: 6h)"
    )
    when.add_argument("--timeout", type=duration, metavar="TIME", help="how long it may run (default: 1h)")
    when.add_argument(
        "--io-timeout",
        type=duration,
        metavar="TIME",
        help="how long it may run without any output (default: 0, which is no limit)",
    )


def _add_labels(parser: argparse.ArgumentParser) -> None:
    labels = parser.add_argument_group("labels")
    labels.add_argument("--name", help="the task's name (default: the start of its command)")
    labels.add_argument(
        "--tag", action="append", default=[], type=tag, metavar="K:V", help="a tag to find it by; repeatable"
    )
    labels.add_argument("--user", help="for whom it runs (default: your login name)")
    labels.add_argument(
        "--parent",
        metavar="RUN_ID",
        help="the run that submits it: it ends with that task (a command finds its own in SWARMING_TASK_ID)",
    )
    labels.add_argument("--outlives-parent", action="store_true", help="go on when the parent has ended")


def _number(given: int | None, default: int) -> int:
    return default if given is None else given


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return groups
