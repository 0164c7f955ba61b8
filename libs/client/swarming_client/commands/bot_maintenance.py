"""`swarming bot-maintenance`: keep a bot that somebody works on from work."""

from __future__ import annotations

import argparse

from swarming_client.api import Swarming
from swarming_client.restriction_command import configure_restriction, run_restriction

HELP = "give a bot that somebody works on no tasks, or with --end let it work again"

configure = configure_restriction


def run(args: argparse.Namespace) -> int:
    """Begin or end it."""
    return run_restriction(args, Swarming.maintain, Swarming.end_maintenance, lambda bot: bot.maintenance_by)
