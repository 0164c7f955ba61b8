"""`swarming bootstrap`: how machines become bots."""

from __future__ import annotations

import argparse
import re

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.upload_actions import add_actions, add_script_actions, run_script_action

LOOPBACK = re.compile(r"://(localhost|127\.|\[::1\])")

HELP = "make the line that turns a machine into a bot; or show, upload, compare or revert its script"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = add_actions(parser)
    join = actions.add_parser("join", help="print the command to run on a machine so that it becomes a bot")
    add_connection_options(join)
    add_script_actions(actions, "the bootstrap script")


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    if args.action != "join":
        return run_script_action(args, "bootstrap")
    with Console() as console, connect(args, console) as client:
        made = client.join_token()
        if args.json:
            console.print_json(made.json)
        else:
            console.print(made.command)
            console.say(f"good until {time_text(made.expires)} UTC")
            if LOOPBACK.search(made.command):
                console.say(
                    "only this machine can reach that address; SWARMING_PUBLIC_URL tells the server a better one"
                )
    return 0
