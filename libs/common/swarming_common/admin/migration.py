"""`swarming admin migrate`."""

import argparse
import os
import sys
from typing import Any

from swarming_common.database.migrate import migrate
from swarming_common.errors import DatabaseAway


def configure(actions: "argparse._SubParsersAction[Any]") -> None:
    """The action and its options."""
    action = actions.add_parser("migrate", help="bring the database to the schema of this release; repeatable")
    action.add_argument(
        "--database-url",
        default=os.environ.get("SWARMING_DATABASE_URL", ""),
        help="postgresql://user@host/name or sqlite:///path/swarming.db (default: SWARMING_DATABASE_URL)",
    )
    action.set_defaults(act=_run)


def _run(args: argparse.Namespace) -> int:
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
