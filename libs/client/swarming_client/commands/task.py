"""`swarming task`: what is known of one task."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import duration_text, seconds_text, state_text, time_text
from swarming_client.errors import NotFound
from swarming_client.messages import TaskRequest, TaskResult, TaskSlice
from swarming_client.table import one_line

if TYPE_CHECKING:
    from swarming_client.api import Swarming

SHOWN_CHILDREN = 20

HELP = "show a task: what was asked for and what became of it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    add_connection_options(parser)
    parser.add_argument("task_id", metavar="ID", help="the task's id")
    parser.epilog = "With --json, request and result together as a TaskRequestMetadata."


def run(args: argparse.Namespace) -> int:
    """Show the task."""
    with Console() as console, connect(args, console) as client:
        result, request = client.result(args.task_id), client.request(args.task_id)
        if args.json:
            metadata = {"task_id": result.task_id, "request": request.json, "task_result": result.json}
            console.print_json(metadata)
        else:
            shown = [
                *_outcome(result),
                *_slices(request.slices, result.current_slice),
                *_request(request, result.priority),
                *_family(client, args.task_id),
                *_labels(result),
            ]
            facts = [fact for fact in shown if fact[1]]
            width = max(len(label) for label, _ in facts)
            console.print(*(f"{label.ljust(width)}  {one_line(text)}" for label, text in facts))
    return 0


def _outcome(result: TaskResult) -> list[tuple[str, str]]:
    return [
        ("id", result.task_id),
        ("name", result.name),
        ("state", state_text(result)),
        ("reason", result.reason or ""),
        ("exit code", "" if result.exit_code is None else str(result.exit_code)),
        ("same as", result.deduped_from or ""),
        ("bot", result.bot_id or ""),
        ("created", time_text(result.created)),
        ("started", time_text(result.started)),
        ("ended", time_text(result.completed or result.abandoned)),
        ("waited", _between(result.created, result.started)),
        ("ran", duration_text(result.duration)),
    ]


def _slices(slices: Sequence[TaskSlice], current: int) -> Iterator[tuple[str, str]]:
    """Yield the facts of each slice, below its number where there are several."""
    for number, one in enumerate(slices):
        if len(slices) > 1:
            yield f"slice {number + 1}", f"of {len(slices)}" + ", the current one" * (number == current)
        yield from _slice(one)


def _slice(one: TaskSlice) -> list[tuple[str, str]]:
    return [
        ("command", shlex.join(one.command)),
        ("folder", one.relative_cwd or ""),
        ("environment", " ".join(f"{key}={shlex.quote(value)}" for key, value in one.env)),
        ("dimensions", " ".join(f"{key}={value}" for key, value in one.dimensions)),
        ("may wait", seconds_text(one.expiration_secs)),
        ("waits for a bot", "yes" if one.wait_for_capacity else ""),
        ("may run", seconds_text(one.execution_timeout_secs)),
        ("may be silent", seconds_text(one.io_timeout_secs)),
        ("idempotent", "yes" if one.idempotent else ""),
    ]


def _request(request: TaskRequest, priority: int | None) -> list[tuple[str, str]]:
    return [
        ("priority", _priority(priority, request.priority)),
        ("parent", request.parent_task_id or ""),
        ("outlives parent", "yes" if request.outlives_parent else ""),
        ("submitted by", request.authenticated or ""),
    ]


def _priority(now: int | None, asked: int | None) -> str:
    if now is None or now == asked:
        return "" if asked is None else str(asked)
    return f"{now} (asked for: {asked})"


def _family(client: Swarming, task_id: str) -> list[tuple[str, str]]:
    try:
        children = client.children(task_id, limit=SHOWN_CHILDREN + 1).items
    except NotFound:  # a server that lists none, such as upstream's
        return []
    shown = [f"{one.task_id} {state_text(one)}" for one in children[:SHOWN_CHILDREN]]
    return [("children", ", ".join(shown + ["…"] * (len(children) > SHOWN_CHILDREN)))]


def _labels(result: TaskResult) -> list[tuple[str, str]]:
    return [("user", result.user), ("tags", " ".join(result.tags))]


def _between(start: datetime | None, end: datetime | None) -> str:
    return duration_text((end - start).total_seconds()) if start and end else ""
