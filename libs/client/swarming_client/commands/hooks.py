"""`swarming hooks`: the hooks with which all bots of a server are adapted."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from swarming_client.trial import try_hooks
from swarming_client.upload_actions import add_actions, add_force, add_script_actions, run_script_action

if TYPE_CHECKING:
    from swarming_client.api import Swarming

HELP = "show, upload, compare or revert the bots' hooks (bot_config.py)"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    add_force(add_script_actions(add_actions(parser), "the hooks"))
    parser.epilog = (
        "Hooks are loaded once on this machine, beside the modules of the bot's zip, before they are uploaded."
        " They go into the zip that the server hands out, so bots that joined with it take them; those of"
        " `swarming bot` and `swarming standalone --bots` have the hooks that they were started with (--hooks)."
    )


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    whose = "; bots that joined with the server's zip take it now"
    return run_script_action(args, "bot_config", whose, None if getattr(args, "force", False) else _try)


def _try(client: Swarming, source: str) -> None:
    try_hooks(source, client.bot_zip())
