"""`swarming bots`: list bots."""

from __future__ import annotations

import argparse
from textwrap import shorten

from swarming_client.bot_messages import BotInfo
from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.option_types import count, key_value

HELP = "list bots, what they have and what they do"
LONGEST_REASON = 60  # of a traceback the last line, which says what went wrong
HEADER = ("ID", "STATE", "TASK", "LAST SEEN (UTC)", "DIMENSIONS")


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the filters."""
    add_connection_options(parser)
    parser.add_argument(
        "-d",
        "--dimension",
        action="append",
        default=[],
        type=key_value,
        metavar="K=V",
        help="only bots that have this; repeatable",
    )
    for name, help_line in (
        ("dead", "that have not been heard of for long"),
        ("busy", "that run a task"),
        ("quarantined", "that are unfit for tasks"),
        ("maintenance", "that are in maintenance"),
    ):
        parser.add_argument(
            f"--{name}",
            action=argparse.BooleanOptionalAction,
            help=f"only bots {help_line}, or with --no-{name} only others",
        )
    parser.add_argument("--limit", type=count, default=0, help="how many at most (default: 0, which is all)")


def run(args: argparse.Namespace) -> int:
    """List the bots."""
    with Console() as console, connect(args, console) as client:
        bots = client.bots(
            dimensions=args.dimension,
            is_dead=args.dead,
            is_busy=args.busy,
            quarantined=args.quarantined,
            in_maintenance=args.maintenance,
            limit=args.limit or None,
        )
        if args.json:
            console.print_json(bots.json)
        else:
            console.print_table(HEADER, [_row(bot) for bot in bots.items])
    return 0


def _row(bot: BotInfo) -> tuple[str, ...]:
    return bot.bot_id, _state(bot), bot.task_id or "", time_text(bot.last_seen), _dimensions(bot)


def _state(bot: BotInfo) -> str:
    if bot.is_dead:
        return "dead"
    if bot.quarantined:
        return _because("quarantined", bot.quarantine.reason if bot.quarantine else "")
    if bot.maintenance:
        return _because("maintenance", bot.maintenance)
    return "busy" if bot.task_id else "idle"


def _because(state: str, reason: str) -> str:
    lines = reason.strip().splitlines()
    return f"{state}: {shorten(lines[-1], LONGEST_REASON, placeholder='…')}" if lines else state


def _dimensions(bot: BotInfo) -> str:
    return " ".join(f"{key}={'|'.join(values)}" for key, values in sorted(bot.dimensions.items()) if key != "id")
