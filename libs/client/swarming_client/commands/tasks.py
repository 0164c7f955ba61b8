"""`swarming tasks`: list tasks."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import duration_text, state_text, time_text
from swarming_client.messages import TaskResult
from swarming_client.option_types import count, tag

HELP = "list tasks, newest first"
DEFAULT_LIMIT = 200  # the API's own
STATES = (
    "ALL",
    "PENDING",
    "RUNNING",
    "PENDING_RUNNING",
    "COMPLETED",
    "COMPLETED_SUCCESS",
    "COMPLETED_FAILURE",
    "EXPIRED",
    "TIMED_OUT",
    "BOT_DIED",
    "CANCELED",
    "DEDUPED",
    "KILLED",
    "NO_RESOURCE",
    "CLIENT_ERROR",
)
HEADER = ("ID", "STATE", "EXIT", "CREATED (UTC)", "TOOK", "BOT", "USER", "NAME")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the filters."""
    add_connection_options(parser)
    parser.add_argument(
        "--state",
        type=str.upper,
        choices=STATES,
        default="ALL",
        metavar="STATE",
        help="only tasks in this state: " + ", ".join(state.lower() for state in STATES),
    )
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        type=tag,
        metavar="K:V",
        help="only tasks with this tag; repeatable",
    )
    parser.add_argument(
        "--limit",
        type=count,
        default=DEFAULT_LIMIT,
        help="how many at most, 0 for all (default: %(default)s)",
    )


def run(args: argparse.Namespace) -> int:
    """List the tasks."""
    with Console() as console, connect(args, console) as client:
        tasks = client.list_tasks(state=args.state, tags=args.tag, limit=args.limit or None)
        if args.json:
            console.print_json(tasks.json)
        else:
            console.print_table(HEADER, [_row(task) for task in tasks.items])
    return 0


def _row(task: TaskResult) -> tuple[str, ...]:
    return (
        task.task_id,
        state_text(task),
        "" if task.exit_code is None else str(task.exit_code),
        time_text(task.created),
        duration_text(task.duration),
        task.bot_id or "",
        task.user,
        task.name,
    )
