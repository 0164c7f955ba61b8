"""`swarming priority`: have a task that waits go sooner or later."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console

HELP = "give a task that waits another priority"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the id and the number."""
    add_connection_options(parser)
    parser.add_argument("task_id", metavar="ID", help="the task's id")
    parser.add_argument("priority", type=int, metavar="N", help="0 to 255, lower goes first")
    parser.epilog = "Exits with 1 when the task does not wait any more."


def run(args: argparse.Namespace) -> int:
    """Change it and say what it is now."""
    with Console() as console, connect(args, console) as client:
        reply = client.set_priority(args.task_id, args.priority)
        if args.json:
            console.print_json(reply.json)
        if not reply.ok:
            console.say(f"task {args.task_id}: still {reply.priority}, it does not wait any more")
        elif reply.priority != args.priority:
            console.say(f"task {args.task_id}: priority {reply.priority}, better ones are guarded")
        else:
            console.say(f"task {args.task_id}: priority {reply.priority}")
    return 0 if reply.ok else 1
