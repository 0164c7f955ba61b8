"""`swarming cancel`: ask for tasks to end."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.messages import CancelReply

HELP = "cancel tasks that wait, and with --kill-running also those that run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the ids and how far to go."""
    add_connection_options(parser)
    parser.add_argument("task_id", nargs="+", metavar="ID", help="a task's id")
    parser.add_argument("--kill-running", action="store_true", help="also stop it if it already runs")
    parser.epilog = "Exits with 1 when a task could not be canceled. With --json, one line for each reply."


def run(args: argparse.Namespace) -> int:
    """Cancel each task and say what came of it."""
    all_ok = True
    with Console() as console, connect(args, console) as client:
        for task_id in args.task_id:
            reply = client.cancel(task_id, kill_running=args.kill_running)
            if args.json:
                console.print_json(reply.json)
            console.say(f"task {task_id}: {_outcome(reply, args.kill_running)}")
            all_ok = all_ok and reply.ok
    return 0 if all_ok else 1


def _outcome(reply: CancelReply, kill_running: bool) -> str:
    if reply.ok:
        return "is being stopped" if reply.was_running else "canceled"
    if reply.was_running and not kill_running:
        return "not canceled: it is running (--kill-running stops it all the same)"
    return "not canceled: it has already ended"
