"""`swarming retry`: submit a task again."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console

HELP = "submit a clone of a task, print its id and do not wait"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    add_connection_options(parser)
    parser.add_argument("task_id", metavar="ID", help="the task to do again")
    parser.epilog = "The clone is yours, has no parent and runs even if the task is idempotent; `collect` waits for it."


def run(args: argparse.Namespace) -> int:
    """Submit the clone and print its id."""
    with Console() as console, connect(args, console) as client:
        submitted = client.retry(args.task_id)
        if args.json:
            console.print_json(submitted.json)
        else:
            console.print(submitted.task_id)
    return 0
