"""A process beside the bot that stops a task when the bot cannot: because it was stopped itself, or killed.

The server gives a silent task to another bot, and counts on this one to have ended it by then. Each bot process has one
watchdog, which hears on its standard input which runs there are and until when each may go on, and says on its
standard output which ones it has stopped, before it does. It is small, starts quickly, and looks up every few tenths of
a second at most: short tasks come and go without waking it for each.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import time
from typing import Dict, List, Optional, Set

from swarming_bot.boot_clock import boot_seconds
from swarming_bot.process_table import (
    IS_LINUX,
    Entry,
    add_descendants,
    entry_of,
    names_folder,
    process_table,
    works_inside,
)

# The bot itself goes first: its last attempt to reach the server may end two seconds late.
LATE_SECONDS = 4.0
CHECK_SECONDS = 1.0  # the clock may have jumped: a machine was suspended
GATHER_SECONDS = 0.2
KILL_AGAIN_SECONDS = 0.2  # a fork may have slipped through
# Where nothing was left; a bot that goes on may be about to start a process.
LOOK_AGAIN_SECONDS = 5.0
READ_BYTES = 65536
IGNORED_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)  # it ends with the bot, and not before


class GuardedRun:
    """What the bot has said of one run. Times are boot seconds."""

    def __init__(self, until: float, grace: float, folder: str) -> None:
        self.until = until
        self.grace = grace
        self.folder = folder
        self.leader: Optional[int] = None
        self.began = 0  # the leader, in clock ticks
        self.is_asked_to_end = False  # by the bot, or by us
        self.stopped_at: Optional[float] = None
        self.look_at = 0.0
        self._known: Dict[int, int] = {}  # when each process began that was found before

    def leads(self, leader: int) -> None:
        """This process leads the run's group. A process id is reused some day, so it is looked at once, now."""
        entry = entry_of(leader) if IS_LINUX else None
        self.leader, self.began, self.look_at = leader, entry.start if entry is not None else 0, 0.0

    def signal(self, number: int, bot: int) -> bool:
        """Signal all its processes, if only with 0; say whether there was any."""
        if not IS_LINUX:
            return _signal_group(self.leader, number)
        table = process_table()
        found = self._find(table, bot)
        self._known = {pid: table[pid].start for pid in found}
        living = [pid for pid in found if not table[pid].is_zombie]
        for pid in living:
            with contextlib.suppress(OSError):
                os.kill(pid, number)
        return bool(living)

    def _find(self, table: Dict[int, Entry], bot: int) -> Set[int]:
        # Those found before are kept: when a parent has died, nothing may tell any more whose child it was.
        found = {pid for pid, began in self._known.items() if pid in table and table[pid].start == began}
        leads = self.leader is not None and self.leader in table and table[self.leader].start == self.began
        own_session = os.getsid(0)
        for pid, entry in table.items():
            is_adopted = entry.parent == bot and entry.session != own_session
            if (
                (leads and self.leader in (pid, entry.group, entry.session))
                or names_folder(pid, self.folder)
                or (is_adopted and works_inside(pid, self.folder))
            ):
                found.add(pid)
        add_descendants(found, table)
        return found - {os.getpid(), bot}


class Watch:
    """All runs of one bot process. `serve` returns when that has ended and none of them is left."""

    def __init__(self, reader: int, writer: int, bot: int) -> None:
        """reader, writer: descriptors to and from the bot; bot: its process id."""
        self._reader = reader
        self._writer = writer
        self._bot = bot
        self._bot_lives = True
        self._runs: Dict[str, GuardedRun] = {}
        self._rest = b""  # of a line that is not whole yet

    def serve(self) -> None:
        os.set_blocking(self._reader, False)
        while self._bot_lives or self._runs:
            self._wait()
            # All that was said counts before anything is judged: this process may have been stopped, too.
            self._read()
            for key, run in list(self._runs.items()):
                self._look_after(key, run, boot_seconds())

    def _wait(self) -> None:
        if not self._bot_lives:
            time.sleep(KILL_AGAIN_SECONDS)
            return
        poller = select.poll()
        poller.register(self._reader, select.POLLIN)
        happened = poller.poll(self._milliseconds_to_wait())
        if happened and not happened[0][1] & select.POLLHUP:  # a bot that ends waits for us
            time.sleep(GATHER_SECONDS)

    def _milliseconds_to_wait(self) -> Optional[float]:
        if not self._runs:
            return None
        is_ending = any(run.stopped_at is not None for run in self._runs.values())
        return (KILL_AGAIN_SECONDS if is_ending else CHECK_SECONDS) * 1000

    def _read(self) -> None:
        while self._bot_lives:
            try:
                data = os.read(self._reader, READ_BYTES)
            except BlockingIOError:
                return
            if not data:
                self._lose_bot()
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._take(line.decode().split())

    def _lose_bot(self) -> None:
        """The bot is dead: nobody can tell how its runs end any more."""
        self._bot_lives = False
        for run in self._runs.values():
            run.until = min(run.until, boot_seconds() - LATE_SECONDS)
            run.look_at = 0.0

    def _take(self, words: List[str]) -> None:
        what, key, *rest = words
        if what == "watch":
            self._runs[key] = GuardedRun(float(rest[0]), float(rest[1]), os.fsdecode(bytes.fromhex(rest[2])))
        elif what == "done":
            self._runs.pop(key, None)
        elif what == "leader":
            self._runs[key].leads(int(rest[0]))
        elif what == "until":
            self._runs[key].until = float(rest[0])
        elif what == "asked":
            self._runs[key].is_asked_to_end = True

    def _look_after(self, key: str, run: GuardedRun, now: float) -> None:
        if run.stopped_at is None:
            if now < max(run.until + LATE_SECONDS, run.look_at):
                return
            if self._bot_lives and run.leader is not None and not run.signal(0, self._bot):
                run.look_at = now + LOOK_AGAIN_SECONDS
                return  # it ended by itself, which the bot can tell once it goes on
            run.stopped_at, run.look_at = now, 0.0
            self._tell(key, run)
            if not run.is_asked_to_end:
                run.is_asked_to_end = True
                run.signal(signal.SIGTERM, self._bot)
        if now >= run.look_at:
            number = signal.SIGKILL if now >= run.stopped_at + run.grace else 0
            any_lives = run.signal(number, self._bot)
            if not any_lives and not self._bot_lives:
                del self._runs[key]
            run.look_at = now + (KILL_AGAIN_SECONDS if any_lives else LOOK_AGAIN_SECONDS)

    def _tell(self, key: str, run: GuardedRun) -> None:
        with contextlib.suppress(OSError):
            os.write(self._writer, f"{key}\n".encode())
        with contextlib.suppress(OSError):
            why = "the bot does not keep its time" if self._bot_lives else "the bot is dead"
            print(f"watchdog: run_stopped folder={run.folder} reason={why!r}", file=sys.stderr, flush=True)


def _signal_group(leader: Optional[int], number: int) -> bool:
    if leader is None:
        return False
    try:
        os.killpg(leader, number)
    except OSError:
        return False
    return True


def main() -> None:
    """The process that a bot starts: swarming_bot/watchdog_link.py."""
    # Ctrl-Z stops a bot with all its group. The session stays the bot's: others are those of tasks.
    os.setpgid(0, 0)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    Watch(sys.stdin.fileno(), sys.stdout.fileno(), os.getppid()).serve()
