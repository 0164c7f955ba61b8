"""`swarming run`: submit a command, follow its output, and exit as it did."""

from __future__ import annotations

import argparse

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.exit_code import exit_code_of
from swarming_client.interrupt import INTERRUPTED, CancelOnInterrupt
from swarming_client.task_options import add_task_options, task_from
from swarming_client.watch import tell_why, watch_output, watch_result

HELP = "run a command on a bot, follow its output and exit with its exit code"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of a task."""
    add_connection_options(parser)
    add_task_options(parser)
    parser.epilog = (
        "Ctrl-C cancels the task, a second one leaves without waiting for its end. SIGTERM and the end of the terminal"
        " (SIGHUP) leave the task alone: it goes on, and `swarming collect` takes it up again. With --json, the result"
        " is printed instead of the output. Exit codes: the command's own; 128 + N when signal N ended it, or this"
        " command; 1 with a word why on standard error when it has none; 130 after Ctrl-C."
    )


def run(args: argparse.Namespace) -> int:
    """Run the task to its end; 130 after Ctrl-C."""
    task = task_from(args)
    watch = watch_result if args.json else watch_output
    with (
        Console() as console,
        connect(args, console) as client,
        CancelOnInterrupt(client, console) as interrupt,
    ):
        task_id = client.new_task(task).task_id
        interrupt.watch_over(task_id)
        result = watch(client, console, task_id)
        if args.json:
            console.print_json(result.json)
        tell_why(console, result)
        return INTERRUPTED if interrupt.happened else exit_code_of(result)
