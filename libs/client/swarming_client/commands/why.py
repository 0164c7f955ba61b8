"""`swarming why`: why a task is still pending."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from swarming_client.connection import add_connection_options, connect
from swarming_client.console import Console
from swarming_client.display import time_text
from swarming_client.messages import Explanation, NearMiss, SliceBots
from swarming_client.table import one_line

HELP = "say why a task is still pending, and when it may start"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the id."""
    add_connection_options(parser)
    parser.add_argument("task_id", metavar="ID", help="the task's id")


def run(args: argparse.Namespace) -> int:
    """Explain: a sentence or two, then the facts."""
    with Console() as console, connect(args, console) as client:
        explanation = client.why(args.task_id)
        if args.json:
            console.print_json(explanation.json)
        else:
            console.print(f"{explanation.state}: {one_line(explanation.summary)}", *_facts(explanation))
    return 0


def _facts(explanation: Explanation) -> list[str]:
    if explanation.here is None:
        return []
    rows = [
        ("asks for", _dimensions(explanation.here.dimensions)),
        *(("notes" if not index else "", text) for index, text in enumerate(_notes(explanation))),
        *_bots("bots", explanation.here),
        *(row for one in explanation.later for row in _bots(f"slice {one.number + 1}", one)),
        ("start", _start(explanation)),
        ("expires", time_text(explanation.expires) + " UTC" if explanation.expires else ""),
    ]
    shown = [(label, text) for label, text in rows if text]
    width = max(len(label) for label, _ in shown)
    return ["", *(f"{label.ljust(width)}  {one_line(text)}".rstrip() for label, text in shown)]


def _notes(explanation: Explanation) -> list[str]:
    """The reasons that neither the summary (the first one) nor the lines of bots, start and end tell."""
    told = {"near_miss", "expires"}
    return [text for kind, text in explanation.reasons[1:] if kind not in told and not kind.startswith("bots_")]


def _bots(label: str, one: SliceBots) -> list[tuple[str, str]]:
    asks = f"asks for {_dimensions(one.dimensions)}: " if label != "bots" else ""
    counts = ", ".join(f"{count} {_NAMES.get(status, status)}" for status, count in one.counts.items())
    rows = [(label, f"{asks}{counts}")]
    for status, examples in one.examples.items():
        rows.append(("", f"{_NAMES.get(status, status)}: {_named(examples, one.counts.get(status, 0))}"))
    return rows + [("", _miss(miss)) for miss in one.near_misses]


def _start(explanation: Explanation) -> str:
    basis = f" ({explanation.start_basis})" if explanation.start_basis else ""
    return f"{explanation.start_text}{basis}" if explanation.start_text else ""


def _miss(miss: NearMiss) -> str:
    return f"{miss.text} ({_named(miss.examples, miss.count)})"


def _named(examples: Sequence[str], count: int) -> str:
    return ", ".join(examples) + (f" and {count - len(examples)} more" if count > len(examples) else "")


def _dimensions(pairs: Sequence[tuple[str, str]]) -> str:
    return " ".join(f"{key}={value}" for key, value in pairs)


_NAMES = {"maintenance": "in maintenance"}
