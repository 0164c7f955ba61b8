"""`swarming bot-events`: what happened to a bot."""

from __future__ import annotations

import argparse

from swarming_client.bot_messages import BotEvent
from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.option_types import count
from swarming_client.table import one_line

HELP = "list what happened to a bot, newest first"
HEADER = ("WHEN (UTC)", "WHAT", "TASK", "MESSAGE")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the bot and how many."""
    add_connection_options(parser)
    parser.add_argument("bot_id", metavar="BOT", help="the bot's id")
    parser.add_argument("--limit", type=count, default=50, help="how many at most (default: 50; 0 is all)")


def run(args: argparse.Namespace) -> int:
    """List them."""
    with Console() as console, connect(args, console) as client:
        events = client.bot_events(args.bot_id, limit=args.limit or None)
        if args.json:
            console.print_json(events.json)
        else:
            console.print_table(HEADER, [_row(one) for one in events.items])
    return 0


def _row(event: BotEvent) -> tuple[str, ...]:
    return time_text(event.at), event.event_type, event.task_id or "", one_line(event.message)
