"""`swarming bot-delete`: forget bots."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.errors import UsageError
from swarming_client.option_types import key_value

HELP = "forget bots, or with --dead all dead ones; one that polls again is back"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add which."""
    add_connection_options(parser)
    parser.add_argument("bot_id", nargs="*", metavar="BOT", help="a bot's id")
    parser.add_argument("--dead", action="store_true", help="instead of ids: all that are dead")
    parser.add_argument(
        "-d",
        "--dimension",
        action="append",
        default=[],
        type=key_value,
        metavar="K=V",
        help="with --dead, only those that have this; repeatable",
    )


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    if bool(args.bot_id) == args.dead or (args.dimension and not args.dead):
        raise UsageError("give either ids or --dead (and --dimension)")
    with Console() as console, connect(args, console) as client:
        if args.dead:
            matched = client.delete_dead_bots(dimensions=args.dimension)
            if args.json:
                console.print_json({"matched": str(matched)})
            console.say(f"{matched} dead {'bot' if matched == 1 else 'bots'} asked to be forgotten")
        for bot_id in args.bot_id:
            client.delete_bot(bot_id)
            if args.json:
                console.print_json({"deleted": True})
            console.say(f"bot {bot_id}: deleted")
    return 0
