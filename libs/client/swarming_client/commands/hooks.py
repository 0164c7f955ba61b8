"""`swarming hooks`: the hooks with which all bots of a server are adapted."""

from __future__ import annotations

import argparse

from swarming_client.upload_actions import add_actions, add_script_actions, run_script_action

HELP = "show, upload, compare or revert the bots' hooks (bot_config.py)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add_script_actions(add_actions(parser), "the hooks")
    parser.epilog = (
        "The hooks go into the zip that the server hands out, so bots that joined with it take them; those of"
        " `swarming bot` and `swarming standalone --bots` have the hooks that they were started with (--hooks)."
    )


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    return run_script_action(args, "bot_config", whose="; bots that joined with the server's zip take it now")
