"""`swarming bot-archive`: a whole bot's zip that the server hands out instead of its own."""

from __future__ import annotations

import argparse
from pathlib import Path

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.errors import UsageError
from swarming_client.trial import try_archive
from swarming_client.upload_actions import add_actions, add_force, add_version_actions, run_version_action, tell

KEPT = "bots that run the archive keep it (--replace-bots moves them to the server's zip)"
REPLACED = "bots that run the archive move to the server's zip now"
HELP = "have the server hand out another bot's zip instead of its own, or no longer"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the actions."""
    actions = add_actions(parser)
    add_connection_options(actions.add_parser("show", help="show which archive is in force"))
    upload = actions.add_parser("upload", help="put an archive in force")
    add_connection_options(upload)
    upload.add_argument("file", help="a bot's zip; it checks itself on this machine before it is uploaded")
    add_force(upload)
    remove = actions.add_parser("remove", help="go back to the zip that the server builds; bots keep what they run")
    add_connection_options(remove)
    remove.add_argument(
        "--replace-bots",
        action="store_true",
        help="have the archive's bots move to the server's zip, and so become its own",
    )
    add_version_actions(actions, "the archive")


def run(args: argparse.Namespace) -> int:
    """Do one of them."""
    with Console() as console, connect(args, console) as client:
        uploads = client.uploads("bot_archive")
        if args.action == "show":
            found = uploads.current()
            if args.json:
                console.print_json(found.json)
            else:
                console.print(f"version {found.version}, by {found.who}, {time_text(found.when)} UTC: {found.digest}")
        elif args.action == "upload":
            content = _content(args.file)
            if not args.force:
                try_archive(content)
            tell(console, uploads.upload_archive(content), args)
        elif args.action == "remove":
            whose = f"; {REPLACED if args.replace_bots else KEPT}"
            tell(console, uploads.revert(0, replace_bots=args.replace_bots), args, whose)
        else:
            run_version_action(console, uploads, args)
    return 0


def _content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
