"""Tasks that write down when they ran: so a lost task, a second run and two runs at once can be told."""

import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# One write with O_APPEND: lines of many processes never mix. CLOCK_MONOTONIC is the same in all of them.
_SCRIPT = """
import os, sys, time
journal = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
def note(what):
    run_id, bot_id = os.environ["SWARMING_TASK_ID"], os.environ["SWARMING_BOT_ID"]
    words = (what, sys.argv[2], run_id, bot_id, sys.argv[3], repr(time.monotonic()))
    os.write(journal, (" ".join(words) + "\\n").encode())
note("start")
print(sys.argv[2], flush=True)
time.sleep(float(sys.argv[3]))
note("end")
"""


@dataclass(frozen=True)
class Execution:
    """One process of a task: when it began and, unless it was killed, ended (monotonic seconds)."""

    label: str
    run_id: str
    bot_id: str
    planned_seconds: float
    began: float
    ended: float | None


class Journal:
    """The file that the tasks write to."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def command(self, label: str, seconds: float = 0.0) -> list[str]:
        """A command that runs so long, prints its label (one word) and writes down its start and its end."""
        return [sys.executable, "-I", "-S", "-c", _SCRIPT, str(self._path), label, str(seconds)]

    def executions(self) -> dict[str, list[Execution]]:
        """What ran, by label, each in the order of its start."""
        starts: list[tuple[float, str, str, str, float]] = []
        ends: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            what, label, run_id, bot_id, seconds, moment = line.split()
            if what == "start":
                starts.append((float(moment), label, run_id, bot_id, float(seconds)))
            else:
                ends[label, run_id, bot_id].append(float(moment))
        found: dict[str, list[Execution]] = defaultdict(list)
        for began, label, run_id, bot_id, planned in sorted(starts):
            its_ends = ends[label, run_id, bot_id]
            ended = its_ends.pop(0) if its_ends else None
            found[label].append(Execution(label, run_id, bot_id, planned, began, ended))
        return found


def overlaps(executions: Iterable[Execution]) -> list[tuple[Execution, Execution]]:
    """Pairs of executions, each in order of their start, of which the second began before the first ended.

    One that never wrote its end was killed; when, nobody knows, so it is taken to have ended at once.
    """
    found = []
    before: Execution | None = None
    for one in executions:
        if before is not None and before.ended is not None and one.began < before.ended:
            found.append((before, one))
        if before is None or (one.ended or one.began) >= (before.ended or before.began):
            before = one
    return found


def request(
    command: list[str],
    *,
    name: str,
    uuid: str,
    dimensions: Iterable[tuple[str, str]] = (("pool", "default"),),
    ping_tolerance_secs: int | None = None,
    expiration_secs: int = 600,
    execution_timeout_secs: int = 120,
) -> dict[str, Any]:
    """A NewTaskRequest of the wire."""
    asked = [{"key": key, "value": value} for key, value in dimensions]
    properties = {
        "command": command,
        "dimensions": asked,
        "execution_timeout_secs": execution_timeout_secs,
        "io_timeout_secs": 0,
    }
    tolerance = {} if ping_tolerance_secs is None else {"bot_ping_tolerance_secs": ping_tolerance_secs}
    # bots may still be starting, or all be dead for a while
    slices = [{"expiration_secs": expiration_secs, "properties": properties, "wait_for_capacity": True}]
    return {"name": name, "priority": 100, "request_uuid": uuid, "task_slices": slices, **tolerance}
