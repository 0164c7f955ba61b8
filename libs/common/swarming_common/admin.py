"""`swarming admin`: what an operator does to an installation."""

import argparse
import os
import sys

from swarming_common.database.migrate import migrate
from swarming_common.errors import DatabaseAway

HELP = "look after an installation: migrate its database"


def configure(parser: argparse.ArgumentParser) -> None:
    """The actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True)
    action = actions.add_parser("migrate", help="bring the database to the schema of this release; repeatable")
    action.add_argument(
        "--database-url",
        default=os.environ.get("SWARMING_DATABASE_URL", ""),
        help="postgresql://user@host/name or sqlite:///path/swarming.db (default: SWARMING_DATABASE_URL)",
    )


def run(args: argparse.Namespace) -> int:
    """Do it; 1 with a word why when that fails."""
    if not args.database_url:
        sys.stderr.write("swarming admin migrate: no database; give --database-url or set SWARMING_DATABASE_URL\n")
        return 2
    try:
        migrate(args.database_url)
    except DatabaseAway as error:
        sys.stderr.write(f"swarming admin migrate: {error}\n")
        return 1
    sys.stderr.write("The database has the schema of this release.\n")
    return 0
