"""All processes of one run, also those that left its process group.

A process belongs to a run when its group or session is the leader's, when it descends from one that belongs, or when
its environment names the run's folder. A process that hid all of that (a daemon with a cleared environment) is
still known where this process adopts orphans: it is then a child that nobody here started. Of several runs under way it
is that one's in whose folder it works; if that does not tell, it ends with the last that may have started it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from typing import Dict, List, Optional, Set

from swarming_bot.process_table import (
    IS_LINUX,
    Entry,
    add_descendants,
    entry_of,
    names_folder,
    process_table,
    works_inside,
)

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


class _Household:
    """What the bots of this process share: whether it adopts orphans, and which runs are under way."""

    def __init__(self) -> None:
        self.adopts_orphans = False
        self.lock = threading.Lock()
        self.collecting = threading.Lock()
        self.trees: Set[ProcessTree] = set()


_household = _Household()


def adopt_orphans() -> bool:
    """Become the parent of processes whose own parent ends, so that none of a run is lost sight of.

    It changes the whole process, so only a process that is a bot and nothing else calls it. Linux only; says whether
    it worked.
    """
    if not IS_LINUX:
        return False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        _household.adopts_orphans = libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    except (OSError, AttributeError):  # a libc without prctl
        return False
    return _household.adopts_orphans


class ProcessTree:
    """The processes of one run. Made before its first process, closed when all are gone."""

    def __init__(self, run_folder: str) -> None:
        self._folder = run_folder
        self._leader: Optional[int] = None
        self._start: Optional[int] = None
        self._saw_others = False
        with _household.lock:
            _household.trees.add(self)

    def grow_from(self, leader: int) -> None:
        """The first process runs; it leads a session and a group of its own, and is not reaped before `close`."""
        self._leader = leader

    def close(self) -> None:
        """Nothing of the run is left, or nothing can be done about it."""
        with _household.lock:
            _household.trees.discard(self)
        if self._saw_others:
            _adopted()  # the last to die are collected too

    def is_bare(self) -> bool:
        """Whether no process is left but the leader; to be asked once it has exited. Mostly costs one small read."""
        if not IS_LINUX:
            return not self._group_lives()
        while _household.adopts_orphans:
            orphans = _adopted()
            if orphans is None:
                break
            if not orphans:
                return True
            self._saw_others = True
            if any(entry.is_zombie or self._is_member(pid, entry) for pid, entry in orphans.items()):
                return False
            # One that has died meanwhile may have been ours, which it then did not show, and have left a child.
            if all(_is_alive(pid) for pid in orphans):
                return True
        return not self.members()

    def members(self) -> List[int]:
        """The processes that live, without the leader. Reads the whole process table; only on Linux."""
        if self._leader is None or not IS_LINUX:
            return []
        table = process_table()
        found = {pid for pid, entry in table.items() if self._is_member(pid, entry)}
        add_descendants(found, table)
        found -= {self._leader, os.getpid()}
        return [pid for pid in found if not table[pid].is_zombie]

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of them, the leader included."""
        if self._leader is None:
            return
        # macOS refuses to signal a group that has only zombies left.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._leader, number)
        for pid in self.members():
            if _entry_is_in_group(pid, self._leader):
                continue  # it has the signal already
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, number)

    @property
    def _began(self) -> int:
        """When the leader began, in clock ticks; 0 while there is none. Read when first needed: few runs need it."""
        if self._start is None and self._leader is not None:
            entry = entry_of(self._leader)
            self._start = entry.start if entry is not None else 0
        return self._start or 0

    def _is_member(self, pid: int, entry: Entry) -> bool:
        if entry.start < self._began:
            return False
        if self._leader in (entry.group, entry.session, entry.parent):
            return True
        return names_folder(pid, self._folder) or self._took_in(pid, entry)

    def _took_in(self, pid: int, entry: Entry) -> bool:
        """Whether it is an adopted process that works in the run's folder, or that no other run can have started."""
        if not _household.adopts_orphans or entry.parent != os.getpid() or entry.session == os.getsid(0):
            return False  # a hook's child is in our own session
        if works_inside(pid, self._folder):
            return True
        with _household.lock:
            others = [tree for tree in _household.trees if tree is not self]
        return all(tree._began > entry.start for tree in others)

    def _group_lives(self) -> bool:
        if self._leader is None:
            return False
        try:
            os.killpg(self._leader, 0)
        except OSError:
            return False
        return True


def kill_strays(runs_folder: str) -> List[int]:
    """Kill every process whose environment names a folder below this one; says which. Linux only."""
    if not IS_LINUX:
        return []
    killed = []
    for pid in list(process_table()):
        if pid != os.getpid() and names_folder(pid, runs_folder):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    return killed


def collect_orphans() -> None:
    """Reap the orphans of past runs that have died, if this process adopts any."""
    if _household.adopts_orphans:
        _adopted()


def _adopted() -> Optional[Dict[int, Entry]]:
    """The orphans that this process took in, after collecting the dead ones; None where nothing tells.

    Whatever lives of an orphan that was collected has come here after the list was read: then it is read again.
    """
    with _household.collecting:  # a list that another thread reaps from as it is read may leave out a process
        while True:
            children = _children()
            if children is None:
                return None
            found = {}
            has_collected = False
            for pid in children:
                entry = entry_of(pid)
                if entry is not None and entry.session == os.getsid(0):
                    continue  # not an orphan of a run: children of hooks are theirs to wait for
                if entry is None or (entry.is_zombie and _collect(pid)):
                    has_collected = True
                else:
                    found[pid] = entry
            if not has_collected:
                return found


def _children() -> Optional[List[int]]:
    """The children of the first thread: Linux gives orphans to it, and bots start their processes from others."""
    me = os.getpid()
    try:
        with open(f"/proc/self/task/{me}/children", encoding="ascii") as file:
            found = [int(one) for one in file.read().split()]
    except (OSError, ValueError):  # a kernel without this list
        return None
    with _household.lock:
        leaders = {tree._leader for tree in _household.trees}
    return [pid for pid in found if pid not in leaders]


def _collect(pid: int) -> bool:
    """Reap a dead orphan; say whether it is gone."""
    with _household.lock:
        # A run whose leader is being started does not know its id yet, and still needs the exit code.
        if any(tree._leader in (pid, None) for tree in _household.trees):
            return False
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
    return True


def _is_alive(pid: int) -> bool:
    entry = entry_of(pid)
    return entry is not None and not entry.is_zombie


def _entry_is_in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:
        return False
