"""`swarming terminate`: have a bot end."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console

HELP = "have a bot end once it is idle, and print the id of the task that does it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the bot and the reason."""
    add_connection_options(parser)
    parser.add_argument("bot_id", metavar="BOT", help="the bot's id")
    parser.add_argument("--reason", help="shown with the task")
    parser.add_argument("--wait", action="store_true", help="until it has ended")
    parser.epilog = "With --wait, exits with 1 when the task ended otherwise than by the bot's end."


def run(args: argparse.Namespace) -> int:
    """Ask for it, and wait if that is wanted."""
    with Console() as console, connect(args, console) as client:
        task_id = client.terminate(args.bot_id, reason=args.reason)
        if not args.wait:
            if args.json:
                console.print_json({"task_id": task_id})
            else:
                console.print(task_id)
            return 0
        result = client.wait(task_id)
        if args.json:
            console.print_json(result.json)
        console.say(f"bot {args.bot_id}: {'has ended' if result.state == 'COMPLETED' else result.state.lower()}")
        return 0 if result.state == "COMPLETED" else 1
