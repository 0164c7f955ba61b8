"""`swarming cancel`: ask for tasks to end."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import refusal_text
from swarming_client.errors import RequestRefused, UsageError
from swarming_client.messages import CancelReply
from swarming_client.option_types import tag

if TYPE_CHECKING:
    from swarming_client.api import Swarming

HELP = "cancel tasks that wait, and with --kill-running also those that run"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the ids and how far to go."""
    add_connection_options(parser)
    parser.add_argument("task_id", nargs="*", metavar="ID", help="a task's id")
    parser.add_argument(
        "--tag",
        action="append",
        default=[],
        type=tag,
        metavar="K:V",
        help="instead of ids: all tasks with this tag, or with all of several",
    )
    parser.add_argument("--kill-running", action="store_true", help="also stop it if it already runs")
    parser.epilog = "Exits with 1 when a task could not be canceled. With --json, one line for each reply."


def run(args: argparse.Namespace) -> int:
    """Cancel each task and say what came of it."""
    if bool(args.task_id) == bool(args.tag):
        raise UsageError("give either ids or --tag")
    with Console() as console, connect(args, console) as client:
        if args.tag:
            _cancel_by_tags(args, client, console)
        oks = [_cancel(args, client, console, task_id) for task_id in args.task_id]
    return 0 if all(oks) else 1


def _cancel(args: argparse.Namespace, client: Swarming, console: Console, task_id: str) -> bool:
    try:
        reply = client.cancel(task_id, kill_running=args.kill_running)
    except RequestRefused as refused:
        console.say(f"task {task_id}: not canceled: {refusal_text(refused)}")
        return False
    if args.json:
        console.print_json(reply.json)
    console.say(f"task {task_id}: {_outcome(reply, args.kill_running)}")
    return reply.ok


def _cancel_by_tags(args: argparse.Namespace, client: Swarming, console: Console) -> None:
    reply = client.cancel_by_tags(args.tag, kill_running=args.kill_running)
    if args.json:
        console.print_json(reply.json)
    tasks = "task" if reply.matched == 1 else "tasks"
    console.say(f"{reply.matched} {tasks} asked to end")


def _outcome(reply: CancelReply, kill_running: bool) -> str:
    if reply.ok:
        return "is being stopped" if reply.was_running else "canceled"
    if reply.was_running and not kill_running:
        return "not canceled: it is running (--kill-running stops it all the same)"
    return "not canceled: it has already ended"
