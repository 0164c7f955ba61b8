"""The processes of a Linux machine, from /proc: who descends from whom, and who names which folder."""

from __future__ import annotations

import os
import sys
from typing import Dict, List, NamedTuple, Optional, Set

IS_LINUX = sys.platform == "linux"

_FOLDER_VARIABLES = ("LUCI_CONTEXT", "TMPDIR")  # they hold a path below the run's folder, which no other run has
MOST_LOOKS = 20  # on a machine that starts processes all the time


class Entry(NamedTuple):  # no dataclass: that module is half of what a watchdog would import
    """One line of the process table."""

    parent: int
    group: int
    session: int
    is_zombie: bool
    start: int  # clock ticks since the machine started


def process_table() -> Dict[int, Entry]:
    """All processes, by id. Looked at again until no new one is there: some start while others are read."""
    table: Dict[int, Entry] = {}
    seen: Set[str] = set()
    for _ in range(MOST_LOOKS):
        new = [name for name in os.listdir("/proc") if name.isdigit() and name not in seen]
        if not new:
            break
        seen.update(new)
        for name in new:
            entry = entry_of(int(name))
            if entry is not None:
                table[int(name)] = entry
    return table


def entry_of(pid: int) -> Optional[Entry]:
    """One process; None if it is gone."""
    fields = stat_fields(pid)
    if len(fields) < 20:
        return None
    # A process whose first thread has ended shows as a zombie too, however many of its others live.
    is_zombie = fields[0] in "ZX" and int(fields[17]) <= 1
    return Entry(int(fields[1]), int(fields[2]), int(fields[3]), is_zombie, int(fields[19]))


def add_descendants(found: Set[int], table: Dict[int, Entry]) -> None:
    """Add to these processes whatever descends from them."""
    grew = True
    while grew:
        grew = False
        for pid, entry in table.items():
            if pid not in found and entry.parent in found:
                found.add(pid)
                grew = True


def family_of(leader: int) -> Set[int]:
    """Who is in this process's group or session, or descends from one who is."""
    table = process_table()
    found = {pid for pid, entry in table.items() if leader in (pid, entry.group, entry.session)}
    add_descendants(found, table)
    return found


def names_folder(pid: int, folder: str) -> bool:
    """Whether the process began with an environment that names something below this folder."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            content = b"\0" + file.read()
    except OSError:
        return False
    inside = os.fsencode(os.path.join(folder, ""))
    return any(b"\0" + name.encode() + b"=" + inside in content for name in _FOLDER_VARIABLES)


def works_inside(pid: int, folder: str) -> bool:
    """Whether the process has its working directory in this folder."""
    try:
        return os.path.join(os.readlink(f"/proc/{pid}/cwd"), "").startswith(os.path.join(os.path.realpath(folder), ""))
    except OSError:
        return False


def stat_fields(pid: int) -> List[str]:
    """/proc/<pid>/stat from the third field on: the second, the name, may hold spaces and brackets."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []
