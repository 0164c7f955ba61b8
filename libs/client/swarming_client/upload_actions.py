"""What the commands `hooks`, `bootstrap` and `bot-archive` have in common: versions of a file for bots."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.errors import UsageError
from swarming_client.option_types import count
from swarming_client.uploads import UploadedVersion, Uploads

if TYPE_CHECKING:
    from swarming_client.api import Swarming

HEADER = ("VERSION", "WHO", "WHEN (UTC)", "BYTES", "DIGEST", "")

Subparsers = argparse._SubParsersAction  # argparse has no public name for it


def add_actions(parser: argparse.ArgumentParser) -> Subparsers[argparse.ArgumentParser]:
    """Add the subcommands' place to a command."""
    return parser.add_subparsers(dest="action", required=True, metavar="ACTION")


def add_version_actions(actions: Subparsers[argparse.ArgumentParser], what: str) -> None:
    """Add `versions` and `revert`."""
    add_connection_options(actions.add_parser("versions", help=f"list all versions of {what}, the newest first"))
    revert = actions.add_parser("revert", help=f"put an old version of {what} in force again, as a new one")
    add_connection_options(revert)
    revert.add_argument("version", type=count, help="which one; 0 is what comes with the server's release")


def add_script_actions(actions: Subparsers[argparse.ArgumentParser], what: str) -> argparse.ArgumentParser:
    """Add what can be done to a script; returns the parser of `upload`."""
    show = actions.add_parser("show", help=f"print {what}")
    add_connection_options(show)
    show.add_argument("version", type=count, nargs="?", help="an old version (default: the one in force)")
    upload = actions.add_parser("upload", help=f"put a file in force as {what}")
    add_connection_options(upload)
    upload.add_argument("file", help="a Python file; - for standard input")
    diff = actions.add_parser("diff", help=f"show what changed between two versions of {what}")
    add_connection_options(diff)
    diff.add_argument("first", type=count, metavar="FROM", help="a version; 0 is what comes with the server's release")
    diff.add_argument("second", type=count, metavar="TO", nargs="?", help="another (default: the one in force)")
    add_version_actions(actions, what)
    return upload


def add_force(upload: argparse.ArgumentParser) -> None:
    """Add `--force` to what is tried before it is uploaded."""
    upload.add_argument("--force", action="store_true", help="upload it without trying it on this machine first")


def run_script_action(
    args: argparse.Namespace,
    kind: str,
    whose: str = "",
    try_first: Callable[[Swarming, str], None] | None = None,
) -> int:
    """Do one of the actions on a script; `whose` adds for whom a version is in force. `try_first` is called before an
    upload, with the text, and raises if that does not work."""
    with Console() as console, connect(args, console) as client:
        uploads = client.uploads(kind)
        if args.action == "show":
            found = uploads.current() if args.version is None else uploads.version(args.version)
            if args.json:
                console.print_json(found.json)
            else:
                console.write(found.content or "")
        elif args.action == "upload":
            text = _text_of(args.file)
            if try_first is not None:
                try_first(client, text)
            tell(console, uploads.upload(text), args, whose)
        elif args.action == "diff":
            console.write(uploads.diff(args.first, args.second))
        else:
            run_version_action(console, uploads, args, whose)
    return 0


def run_version_action(console: Console, uploads: Uploads, args: argparse.Namespace, whose: str = "") -> None:
    """Do `versions` or `revert`."""
    if args.action == "revert":
        tell(console, uploads.revert(args.version), args, whose)
        return
    found = uploads.versions()
    if args.json:
        console.print_json({"items": [one.json for one in found]})
    else:
        console.print_table(HEADER, [_row(one) for one in found])


def tell(console: Console, written: UploadedVersion, args: argparse.Namespace, whose: str = "") -> None:
    """Say what is in force now."""
    if args.json:
        console.print_json(written.json)
    else:
        console.say(f"version {written.version} is in force{whose}")


def _text_of(file: str) -> str:
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        return content.decode()
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is not UTF-8 ({error.reason} at byte {error.start})") from error


def _row(one: UploadedVersion) -> tuple[str, ...]:
    remark = "" if one.reverted_to is None else f"as version {one.reverted_to}"
    return str(one.version), one.who, time_text(one.when), str(one.size), (one.digest or "")[:12], remark
