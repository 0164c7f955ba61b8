"""`swarming bot-delete`: forget bots."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import refusal_text
from swarming_client.errors import RequestRefused, UsageError
from swarming_client.option_types import key_value

if TYPE_CHECKING:
    from swarming_client.api import Swarming

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
    parser.epilog = "Exits with 1 when a bot could not be deleted."


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    if bool(args.bot_id) == args.dead or (args.dimension and not args.dead):
        raise UsageError("give either ids or --dead (and --dimension)")
    with Console() as console, connect(args, console) as client:
        if args.dead:
            reply = client.delete_dead_bots(dimensions=args.dimension)
            if args.json:
                console.print_json(reply.json)
            console.say(f"{reply.matched} dead {'bot' if reply.matched == 1 else 'bots'} asked to be forgotten")
        oks = [_delete(args, client, console, bot_id) for bot_id in args.bot_id]
    return 0 if all(oks) else 1


def _delete(args: argparse.Namespace, client: Swarming, console: Console, bot_id: str) -> bool:
    try:
        client.delete_bot(bot_id)
    except RequestRefused as refused:
        console.say(f"bot {bot_id}: not deleted: {refusal_text(refused)}")
        return False
    if args.json:
        console.print_json({"deleted": True})
    console.say(f"bot {bot_id}: deleted")
    return True
