"""`swarming trigger`: submit a task and print its id."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.errors import UsageError
from swarming_client.new_task import NewTask
from swarming_client.task_options import add_task_options, command_of, given_options, task_from

HELP = "submit a task, print its id and do not wait"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of a task, and the way to give it whole."""
    add_connection_options(parser)
    parser.add_argument(
        "--request-json",
        metavar="FILE",
        help="submit this NewTaskRequest (`-`: standard input) instead of options and a command",
    )
    add_task_options(parser)


def run(args: argparse.Namespace) -> int:
    """Submit and print the task id."""
    task = _task(args)
    with Console() as console, connect(args, console) as client:
        submitted = client.new_task(task)
        if args.json:
            console.print_json(submitted.json)
        elif submitted.task_id:
            console.print(submitted.task_id)
    return 0


def _task(args: argparse.Namespace) -> NewTask | Mapping[str, Any]:
    if args.request_json is None:
        return task_from(args)
    if command_of(args):
        raise UsageError("give either --request-json or a command")
    if given := given_options(args):
        raise UsageError(f"--request-json has the whole task: {', '.join(given)} cannot be given with it")
    return _read_request(args.request_json)


def _read_request(file: str) -> Mapping[str, Any]:
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text()
        request = json.loads(text)
    except OSError as error:
        raise UsageError(f"cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise UsageError(f"{file} is not JSON: {error}") from error
    if not isinstance(request, dict):
        raise UsageError(f"{file} is not a JSON object")
    return request
