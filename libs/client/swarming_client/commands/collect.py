"""`swarming collect`: wait for tasks, print their outputs, and exit as they did."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import refusal_text
from swarming_client.errors import RequestRefused, WaitTimeout
from swarming_client.exit_code import exit_code_of
from swarming_client.messages import TaskResult
from swarming_client.watch import tell_why, watch_output, watch_result

if TYPE_CHECKING:
    from swarming_client.api import Swarming

HELP = "wait for tasks, print their outputs and exit with the first exit code that is not 0"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the ids and the time to wait."""
    add_connection_options(parser)
    parser.add_argument("task_id", nargs="+", metavar="ID", help="a task's id")
    parser.add_argument(
        "--timeout",
        type=float,
        metavar="SECS",
        help="how long to wait for all of them together; 0 or less does not wait (default: for ever)",
    )
    parser.epilog = (
        "Outputs come in the order of the ids; an id without a task counts as an exit code of 1. With --json, one line"
        " for each result instead."
    )


def run(args: argparse.Namespace) -> int:
    """Collect the tasks in turn: what ends out of turn is there when its turn comes."""
    give_up_at = None if args.timeout is None else time.monotonic() + args.timeout
    codes = []
    with Console() as console, connect(args, console) as client:
        for task_id in args.task_id:
            left_secs = None if give_up_at is None else give_up_at - time.monotonic()
            codes.append(_collect(client, console, task_id, left_secs, args.json))
    return next((code for code in codes if code), 0)


def _collect(client: Swarming, console: Console, task_id: str, left_secs: float | None, as_json: bool) -> int:
    try:
        if not as_json:
            return _report(console, watch_output(client, console, task_id, left_secs))
        result = watch_result(client, console, task_id, left_secs)
    except WaitTimeout as timeout:
        console.say(str(timeout))
        if as_json:
            console.print_json(client.result(task_id).json)
        return 1
    except RequestRefused as refused:
        console.say(f"task {task_id}: {refusal_text(refused)}")
        return 1
    console.print_json(result.json)
    return _report(console, result)


def _report(console: Console, result: TaskResult) -> int:
    tell_why(console, result)
    return exit_code_of(result)
