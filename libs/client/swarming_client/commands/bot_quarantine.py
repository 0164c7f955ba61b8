"""`swarming bot-quarantine`: keep a bot that is unfit from work."""

from __future__ import annotations

import argparse

from swarming_client.api import Swarming
from swarming_client.restriction_command import configure_restriction, run_restriction

HELP = "give a bot that is unfit no tasks, or with --end let it work again"

configure = configure_restriction


def run(args: argparse.Namespace) -> int:
    """Begin or end it."""
    return run_restriction(args, Swarming.quarantine, Swarming.unquarantine, lambda bot: bot.quarantine)
