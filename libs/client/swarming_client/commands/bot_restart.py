"""`swarming bot-restart`: have a bot's process restart."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console

HELP = "have a bot's process restart once it is idle"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the bot and the reason."""
    add_connection_options(parser)
    parser.add_argument("bot_id", metavar="BOT", help="the bot's id")
    parser.add_argument("--reason", help="shown in the bot's events")


def run(args: argparse.Namespace) -> int:
    """Ask for it."""
    with Console() as console, connect(args, console) as client:
        client.restart_bot(args.bot_id, reason=args.reason)
        if args.json:
            console.print_json({"ok": True})
        console.say(f"bot {args.bot_id}: asked to restart")
    return 0
