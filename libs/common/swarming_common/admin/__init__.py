"""`swarming admin`: what an operator does to an installation."""

import argparse

from swarming_common.admin import migration, parked

HELP = "look after an installation: migrate its database, see what could not be digested"


def configure(parser: argparse.ArgumentParser) -> None:
    """The actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True)
    migration.configure(actions)
    parked.configure(actions)


def run(args: argparse.Namespace) -> int:
    """Do it; 1 with a word why when that fails, 2 when something is missing."""
    code: int = args.act(args)
    return code
