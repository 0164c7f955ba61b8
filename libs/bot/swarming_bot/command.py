"""The command `swarming bot`: read the arguments, run the bots, end in order on SIGTERM and SIGINT."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import signal
import sys
from types import FrameType
from typing import List, Optional

from swarming_bot.dimensions import parse_dimensions
from swarming_bot.errors import BotError
from swarming_bot.fleet import Fleet
from swarming_bot.log_levels import NOTICE
from swarming_bot.settings import BotSettings, fleet_settings

HELP = "run bots on this machine"
DEFAULT_SERVER = "http://localhost:8080"
BAD_ARGUMENTS = 2  # exit code
CANNOT_START = 1  # exit code
SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--server",
        metavar="URL",
        default=os.environ.get("SWARMING_SERVER") or DEFAULT_SERVER,
        help="the server's address (default: SWARMING_SERVER, or %(default)s)",
    )
    parser.add_argument("--bots", metavar="N", type=int, default=1, help="how many bots to run (default: %(default)s)")
    parser.add_argument(
        "-d",
        "--dimension",
        metavar="K=V",
        action="append",
        default=[],
        help="what tasks may ask for; repeat a key for several values. Replaces what the bot finds out",
    )
    parser.add_argument(
        "--id",
        metavar="ID",
        default=os.environ.get("SWARMING_BOT_ID"),
        help="the bot's id; several bots are ID-1, ID-2… (default: SWARMING_BOT_ID, or the host's name)",
    )
    parser.add_argument(
        "--work",
        metavar="DIR",
        help="where each bot has its folder (default: ~/.swarming/bots/SERVER)",
    )
    parser.add_argument("--cost-usd-hour", metavar="USD", type=float, default=0.0, help="what an hour of a bot costs")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more on stderr; twice for every call")


def run(args: argparse.Namespace) -> int:
    """Run the bots until they are terminated or a signal comes; returns the exit code."""
    try:
        settings = fleet_settings(
            args.server,
            args.bots,
            parse_dimensions(args.dimension),
            args.id,
            args.work,
            args.cost_usd_hour,
        )
    except ValueError as error:
        print(f"swarming bot: {error}", file=sys.stderr)
        return BAD_ARGUMENTS
    _set_up_logging(args.verbose)
    try:
        return _serve(settings)
    except (BotError, OSError) as error:
        print(f"swarming bot: {error}", file=sys.stderr)
        return CANNOT_START


def main(arguments: Optional[List[str]] = None) -> int:
    """`python3 -m swarming_bot …`, and later the zip."""
    parser = argparse.ArgumentParser(prog="swarming_bot", description="Run Swarming bots on this machine.")
    configure(parser)
    return run(parser.parse_args(arguments))


def _serve(settings: List[BotSettings]) -> int:
    # Handlers only write to this pipe: a handler that took a lock could find it held by the very thread
    # that it interrupted.
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    fleet = Fleet(settings, on_end=lambda: _ring(writer))
    signals_seen = 0

    def on_signal(number: int, frame: Optional[FrameType]) -> None:
        nonlocal signals_seen
        signals_seen += 1
        if signals_seen > 1:
            os._exit(128 + number)
        _ring(writer)

    previous = {number: signal.signal(number, on_signal) for number in SIGNALS}
    try:
        fleet.start()
        while fleet.is_alive:
            os.read(reader, 4096)
            if signals_seen:
                fleet.stop()
                fleet.join()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _ring(writer: int) -> None:
    with contextlib.suppress(BlockingIOError):  # it rings already
        os.write(writer, b"!")


def _set_up_logging(verbosity: int) -> None:
    level = (NOTICE, logging.INFO, logging.DEBUG)[min(verbosity, 2)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(threadName)s %(message)s"))
    logger = logging.getLogger("swarming_bot")
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
