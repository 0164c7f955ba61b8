"""The options that say which server a command talks to, and the connection they make."""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

from swarming_client.console import Console
from swarming_client.server_address import DEFAULT_SERVER, SERVER_VARIABLE

if TYPE_CHECKING:
    from swarming_client.api import Swarming


def add_connection_options(parser: argparse.ArgumentParser) -> None:
    """Add `--server`, `--retry` and `--json`, which every command that asks a server has."""
    group = parser.add_argument_group("server and form")
    group.add_argument("--server", metavar="URL", help=f"the server (default: ${SERVER_VARIABLE}, or {DEFAULT_SERVER})")
    group.add_argument(
        "--retry",
        type=float,
        metavar="SECS",
        help="how long to try again while the server is away (default: 30)",
    )
    group.add_argument("--json", action="store_true", help="print the API's own JSON")


def connect(args: argparse.Namespace, console: Console) -> Swarming:
    """Make the SDK's client for the chosen server; raises UsageError for an address that is none."""
    from swarming_client.api import Swarming  # it brings httpx, which is slow: not before it is needed
    from swarming_client.transport import RETRY_SECS

    return Swarming(
        args.server or os.environ.get(SERVER_VARIABLE) or DEFAULT_SERVER,
        retry_secs=RETRY_SECS if args.retry is None else args.retry,
        on_trouble=console.say,
    )
