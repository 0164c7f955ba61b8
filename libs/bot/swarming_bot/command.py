"""The command `swarming bot`: read the arguments, run the bots, end in order on SIGTERM and SIGINT."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import shlex
import signal
import sys
from types import FrameType
from typing import List, Optional

from swarming_bot.clean_start import start_clean
from swarming_bot.code_updates import CodeUpdates
from swarming_bot.dimensions import parse_dimensions
from swarming_bot.errors import BotError
from swarming_bot.fleet import Fleet
from swarming_bot.log_levels import NOTICE
from swarming_bot.open_files import make_room
from swarming_bot.process_tree import adopt_orphans
from swarming_bot.settings import BotSettings, fleet_settings
from swarming_bot.streams import make_printable
from swarming_bot.supervisor import EXIT_TO_START_AGAIN
from swarming_bot.tls import tls_context
from swarming_bot.tuning import Tuning

HELP = "run bots on this machine"
RUN, INSTALL_SERVICE = ACTIONS = ("run", "install-service")
TUNING_OPTIONS = {
    "--cost-usd-hour": ("USD", "what an hour of a bot costs (default: %(default)g)"),
    "--lowest-free-disk-mb": ("MB", "below it the bot quarantines itself; 0 for never (default: %(default)g)"),
    "--restart-period-secs": (
        "SECONDS",
        "start over so often, +-20 %%; 0 for never (default: %(default)g)",
    ),
    "--cache-total-mb": ("MB", "for all named caches of a bot; 0 for any (default: %(default)g)"),
    "--cache-count": ("N", "how many named caches a bot keeps; 0 for any (default: %(default)g)"),
    "--cache-age-secs": ("SECONDS", "how long an unused cache is kept; 0 for ever (default: %(default).0f)"),
    "--cache-free-disk-mb": ("MB", "what named caches leave free of the disk (default: %(default)g)"),
}
DEFAULT_SERVER = "http://localhost:8080"
BAD_ARGUMENTS = 2  # exit code
CANNOT_START = 1  # exit code
FAILED = 70  # exit code of a bot that ended by a mistake of ours, as in sysexits.h
SIGNALS = (signal.SIGTERM, signal.SIGINT)

log = logging.getLogger(__name__)


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "action",
        nargs="?",
        choices=ACTIONS,
        default=RUN,
        help="run the bots now (default), or have this machine run them from now on, with the same options",
    )
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
    parser.add_argument(
        "--hooks",
        metavar="FILE",
        default=os.environ.get("SWARMING_BOT_HOOKS") or None,
        help="a bot_config.py with hooks (default: SWARMING_BOT_HOOKS, or none)",
    )
    for option, (metavar, text) in TUNING_OPTIONS.items():
        name = option[2:].replace("-", "_")
        parser.add_argument(option, metavar=metavar, type=float, default=getattr(Tuning, name), help=text)
    parser.add_argument(
        "--reboot-command",
        metavar="COMMAND",
        default="",
        help="how to reboot this machine when server or hooks ask for it; without it the bot never does",
    )
    service = parser.add_argument_group("install-service")
    service.add_argument("--print", action="store_true", dest="only_print", help="only show what would be done")
    service.add_argument("--user", action="store_true", help="for the user's session; the default unless root asks")
    service.add_argument("--run-as", metavar="USER", help="whom the system's service runs as (default: who asks)")
    parser.add_argument("-v", "--verbose", action="count", default=0, help="say more on stderr; twice for every call")
    parser.set_defaults(built_in_server=None)  # the address that the bot's own zip names


def run(args: argparse.Namespace, updates: Optional[CodeUpdates] = None) -> int:
    """Run the bots until they are terminated or a signal comes, or install them; returns the exit code.

    updates: of the one bot that runs from a zip.
    """
    try:
        settings = _settings(args)
    except ValueError as error:
        print(f"swarming bot: {error}", file=sys.stderr)
        return BAD_ARGUMENTS
    _set_up_logging(args.verbose)
    try:
        if args.action == INSTALL_SERVICE:
            return _install_service(args)
        start_clean()
        if settings[0].server_url.startswith("https:"):
            tls_context()  # a file that is not there is better told now than with each call
        return _serve([dataclasses.replace(one, updates=updates) for one in settings])
    except (BotError, OSError) as error:
        print(f"swarming bot: {error}", file=sys.stderr)
        return CANNOT_START


def main(arguments: Optional[List[str]] = None) -> int:
    """`python3 -m swarming_bot …`."""
    make_printable()
    parser = argparse.ArgumentParser(prog="swarming_bot", description="Run Swarming bots on this machine.")
    configure(parser)
    return run(parser.parse_args(arguments))


def _settings(args: argparse.Namespace) -> List[BotSettings]:
    return fleet_settings(
        args.server,
        args.bots,
        parse_dimensions(args.dimension),
        args.id,
        args.work,
        _tuning(args),
        args.hooks,
        shlex.split(args.reboot_command),
    )


def _tuning(args: argparse.Namespace) -> Tuning:
    names = {option: option[2:].replace("-", "_") for option in TUNING_OPTIONS}
    for option, name in names.items():
        value = getattr(args, name)
        if not 0 <= value < float("inf"):
            raise ValueError(f"{option} {value}: expected 0 or more")
    return Tuning(**{name: getattr(args, name) for name in names.values()})


def _install_service(args: argparse.Namespace) -> int:
    # Needed once in a machine's life, and slow to import.
    from swarming_bot.service import check_user, default_user, install, plan_service

    for_system = os.geteuid() == 0 and not args.user
    user = args.run_as or default_user()
    plan = plan_service(bot_arguments(args), for_system=for_system, user=user)
    if args.only_print:
        print(f"# {plan.path}\n{plan.content}")
        for command in plan.commands:
            print(f"# then: {' '.join(command)}")
        return 0
    if for_system:
        check_user(user)
    install(plan)
    print(f"{plan.path} is written and enabled.")
    return 0


def bot_arguments(args: argparse.Namespace) -> List[str]:
    """The arguments that start the same bots again, wherever they are started."""
    # Where the zip names the address, the next zip may name another.
    options = [] if args.server.rstrip("/") == args.built_in_server else ["--server", args.server]
    if args.bots != 1:
        options += ["--bots", str(args.bots)]
    for dimension in args.dimension:
        options += ["--dimension", dimension]
    if args.id:
        options += ["--id", args.id]
    for option, path in (("--work", args.work), ("--hooks", args.hooks)):
        if path:
            options += [option, os.path.abspath(path)]
    for option in TUNING_OPTIONS:
        name = option[2:].replace("-", "_")
        if getattr(args, name) != getattr(Tuning, name):
            options += [option, repr(getattr(args, name))]
    if args.reboot_command:
        options += ["--reboot-command", args.reboot_command]
    return options + ["-v"] * args.verbose


def _serve(settings: List[BotSettings]) -> int:
    make_room(len(settings))
    # Handlers only write to this pipe: a handler that took a lock could find it held by the very thread
    # that it interrupted.
    adopt_orphans()
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
    if fleet.has_failed:
        return FAILED
    return EXIT_TO_START_AGAIN if fleet.wants_new_process else 0


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
