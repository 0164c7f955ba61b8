"""What `bot-quarantine` and `bot-maintenance` have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol

from swarming_client.api import Swarming
from swarming_client.bot_messages import BotInfo, Restriction
from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.errors import UsageError
from swarming_client.option_types import duration


class Restrict(Protocol):
    """A method of the SDK that keeps a bot from work."""

    def __call__(self, client: Swarming, bot_id: str, reason: str, /, *, until: datetime | None) -> BotInfo:
        """Do it."""
        ...


def configure_restriction(parser: argparse.ArgumentParser) -> None:
    """Add the bot, the reason, and how it ends."""
    add_connection_options(parser)
    parser.add_argument("bot_id", metavar="BOT", help="the bot's id")
    parser.add_argument("--reason", help="why; people see it")
    parser.add_argument(
        "--for", dest="seconds", type=duration, metavar="TIME", help="until it ends by itself: 90s, 2h, 1d"
    )
    parser.add_argument("--end", action="store_true", help="end it")
    parser.epilog = "A task that the bot has goes on."


def run_restriction(
    args: argparse.Namespace,
    restrict: Restrict,
    release: Callable[[Swarming, str], BotInfo],
    shown: Callable[[BotInfo], Restriction | None],
) -> int:
    """Begin or end it, and say how the bot stands then."""
    if args.end == bool(args.reason) or (args.end and args.seconds):
        raise UsageError("give either --reason (and --for) or --end")
    with Console() as console, connect(args, console) as client:
        if args.end:
            bot = release(client, args.bot_id)
        else:
            until = None if args.seconds is None else datetime.now(UTC) + timedelta(seconds=args.seconds)
            bot = restrict(client, args.bot_id, args.reason, until=until)
        if args.json:
            console.print_json(bot.json)
        restriction = shown(bot)
        console.say(f"bot {args.bot_id}: {_words_without(bot) if restriction is None else _words(restriction)}")
        return 0 if (restriction is None) == args.end else 1


def _words_without(bot: BotInfo) -> str:
    """What still keeps it from work when this does not."""
    other = bot.quarantine or bot.maintenance_by
    if other is not None:
        return f"still {_words(other)}"
    if bot.quarantined or bot.maintenance:
        return "still gets no tasks" + (f": {bot.maintenance}" if bot.maintenance else "")
    return "may work"


def _words(restriction: Restriction) -> str:
    until = "until somebody ends it" if restriction.until is None else f"until {time_text(restriction.until)} UTC"
    return f"gets no tasks, by {restriction.by}, {until}: {restriction.reason}"
