"""`swarming standalone`: everything on this machine, with one command."""

import argparse
import sys
from pathlib import Path

from swarming_common.database.migrate import migrate
from swarming_common.database.sqlite import FolderInUse, sqlite_url
from swarming_common.telemetry.logs import configure_logs
from swarming_standalone.bots import LocalBots
from swarming_standalone.server import run_standalone
from swarming_standalone.settings import DEFAULT_DATA, DEFAULT_PORT, StandaloneSettings

HELP = "run the whole of Swarming in this process, with local bots if you like"


def configure(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("--host", default=None, help="the interface to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="default: %(default)s; 0 takes a free one")
    parser.add_argument("--data", type=Path, default=DEFAULT_DATA, help="folder of the database (default: ./data)")
    parser.add_argument("--bots", type=int, default=0, help="how many bots to run on this machine (default: none)")


def run(args: argparse.Namespace) -> int:
    """Serve until SIGTERM or Ctrl-C; 1 when the folder is in use or the port is taken."""
    import uvloop

    given = {} if args.host is None else {"host": args.host}
    settings = StandaloneSettings(**given)
    configure_logs("standalone", settings.log_level, settings.log_format)
    migrate(sqlite_url(args.data))
    bots = LocalBots(args.bots, args.data / "bots")

    def started(port: int) -> None:
        url = f"http://{settings.host}:{port}"
        sys.stderr.write(f"Swarming is at {url}\n")
        bots.start(url)

    try:
        uvloop.run(run_standalone(settings, args.data, args.port, started))
    except FolderInUse as error:
        sys.stderr.write(f"swarming standalone: {error}\n")
        return 1
    finally:
        bots.stop()
    return 0
