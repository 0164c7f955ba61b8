"""`swarming standalone`: everything on this machine, with one command."""

import argparse
import errno
import os
import socket
import sys
from pathlib import Path

from swarming_common.bus.parked import ParkingUnusable
from swarming_common.database.sqlite import FolderInUse
from swarming_common.errors import DatabaseAway
from swarming_common.file_limit import raise_file_limit
from swarming_common.settings import InvalidSetting, read_settings
from swarming_common.telemetry.logs import configure_logs
from swarming_standalone.bots import LocalBots
from swarming_standalone.local_bots_readiness import tell_on_terminal
from swarming_standalone.server import run_standalone
from swarming_standalone.settings import DEFAULT_DATA, DEFAULT_PORT, EVERY_INTERFACE, StandaloneSettings, url_of

HELP = "run the whole of Swarming in this process, with local bots if you like"


QUIET_LOGS = {"SWARMING_LOG_LEVEL": "warning"}
"""Whoever starts this by hand wants to see its address, not each shard's take-over."""


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--host", default=None, help="the interface to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=DEFAULT_PORT, help="default: %(default)s; 0 takes a free one")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the database (default: ./data)")
    parser.add_argument("--bots", type=_count, default=0, help="how many bots to run on this machine (default: none)")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; 1 when the folder is in use or of no use, the port taken or a setting wrong."""
    for name, value in QUIET_LOGS.items():
        os.environ.setdefault(name, value)
    try:
        # Brackets belong to URLs, but people copy them from there.
        given = {} if args.host is None else {"host": args.host.strip("[]")}
        settings, port = _with_public_url(read_settings(StandaloneSettings, **given), args.port)
        if _is_taken(settings.host, port):
            raise InvalidSetting(f"port {port} is taken; choose another with --port")
        _serve(settings, args.data, port, LocalBots(args.bots, args.data / "bots"))
    except (DatabaseAway, FolderInUse, InvalidSetting, ParkingUnusable) as error:
        sys.stderr.write(f"swarming standalone: {error}\n")
        return 1
    return 0


def _serve(settings: StandaloneSettings, data: Path, port: int, bots: LocalBots) -> None:
    import uvloop

    configure_logs("standalone", settings.log_level, settings.log_format)
    raise_file_limit()

    try:
        uvloop.run(run_standalone(settings, data, port, bots, tell_on_terminal))
    finally:
        bots.stop()


def _with_public_url(settings: StandaloneSettings, port: int) -> tuple[StandaloneSettings, int]:
    """The address that bots are told unless one is set; so a free port is chosen before the services are built."""
    port = port or _free_port(settings.host)
    if "public_url" in settings.model_fields_set:
        return settings, port
    name = socket.gethostname() if settings.host in EVERY_INTERFACE else settings.host
    return settings.model_copy(update={"public_url": url_of(name, port)}), port


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected 0 or more, got {text!r}")
    return int(text)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"expected a number from 0 to 65535, got {text!r}")
    return number


def _is_taken(host: str, port: int) -> bool:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
