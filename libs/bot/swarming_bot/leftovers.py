"""End the task that a bot of the same id left running when it was killed.

A bot that is killed cannot end its task: the task runs on, unwatched, until the bot is started again or the
task writes to its broken output pipe. A note in the bot's folder says which process group that was. A process
id is reused some day, so the group is killed only when its leader began when the note says, or, the leader
gone, a member carries the run's id.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import subprocess
from typing import Iterator, Optional

from swarming_bot.process_table import IS_LINUX, family_of, stat_fields

log = logging.getLogger(__name__)


def write(path: str, pid: int, run_id: str) -> None:
    """Note that the process group `pid` belongs to this run."""
    note = {"pid": pid, "began": process_start(pid), "run_id": run_id}
    with open(path, "w", encoding="utf-8") as file:
        json.dump(note, file)


def end(path: str) -> None:
    """Kill what the note says is left, and remove the note. A note that cannot be read says nothing."""
    try:
        with open(path, encoding="utf-8") as file:
            note = json.load(file)
        pid, began, run_id = int(note["pid"]), note["began"], str(note["run_id"])
    except FileNotFoundError:
        return
    except (OSError, ValueError, KeyError, TypeError):
        log.warning("leftover_note_unreadable path=%s", path)
    else:
        if pid > 1 and _is_still_ours(pid, began, run_id):
            log.warning("leftover_killed run_id=%s process_group=%d", run_id, pid)
            _kill(pid)
    with contextlib.suppress(OSError):
        os.unlink(path)


def process_start(pid: int) -> Optional[str]:
    """When a process began, in words that differ for another process of the same id; None if it is gone."""
    if IS_LINUX:
        fields = stat_fields(pid)
        return fields[19] if len(fields) > 19 else None
    # macOS, untested so far. Not on the way to a process start: the note is written after it.
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], stdout=subprocess.PIPE, check=False)
    return found.stdout.decode(errors="replace").strip() or None


def _kill(group: int) -> None:
    # Looked up first: of a process that left the group, nothing tells any more once its parent is dead.
    family = family_of(group) if IS_LINUX else set()
    with contextlib.suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    for pid in family - {os.getpid()}:
        with contextlib.suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _is_still_ours(pid: int, began: Optional[str], run_id: str) -> bool:
    now = process_start(pid)
    if now is not None:
        return now == began
    return any(_carries(member, run_id) for member in _members(pid))


def _members(group: int) -> Iterator[int]:
    """The processes of a group, on Linux; elsewhere none, so that nothing is killed on a guess."""
    if not IS_LINUX:
        return
    for name in os.listdir("/proc"):
        if name.isdigit():
            fields = stat_fields(int(name))
            if len(fields) > 2 and fields[2] == str(group):
                yield int(name)


def _carries(pid: int, run_id: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return f"SWARMING_TASK_ID={run_id}".encode() in file.read().split(b"\0")
    except OSError:
        return False
