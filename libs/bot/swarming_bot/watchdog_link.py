"""The bot's end of its watchdog: which runs there are, until when each may go on, and which ones it stopped."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import select
import subprocess
import sys
import threading
from types import TracebackType
from typing import Dict, List, Optional, Set, Type

log = logging.getLogger(__name__)

# Neither site packages nor the environment are looked at: it is to start quickly, and to stay small.
COMMAND = (
    "-I",
    "-S",
    "-c",
    "import sys; sys.path.insert(0, sys.argv[1]); from swarming_bot.watchdog import main; main()",
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))),  # a folder, or the zip
)
ROOM_SECONDS = 1.0  # for a watchdog that does not read; then it is taken for stuck
END_SECONDS = 5.0
READ_BYTES = 65536


class Watchdog:
    """The watchdog of this process, for all its bots, from any thread. One that dies or hangs is replaced.

    Without one (it cannot be started, say) runs go on, and the bot alone looks after them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: Optional[subprocess.Popen[bytes]] = None
        self._numbers = itertools.count(1)
        self._guards: Dict[str, Guard] = {}
        self._stopped: Set[str] = set()

    def start(self) -> None:
        """Have it ready before the first run is."""
        with self._lock:
            self._start()

    def guard(self, folder: str, until: float, grace: float) -> Guard:
        """Look after a run whose process is about to start.

        folder: the run's, by which its processes are known.
        until: boot seconds at which it must have been heard of again; grace: seconds from then to the kill.
        """
        with self._lock:
            guard = Guard(self, str(next(self._numbers)), folder, until, grace)
            self._guards[guard.key] = guard
            if self._process is None:
                self._start()
            else:
                self._say(guard.lines())
            return guard

    def tell(self, guard: Guard, line: str) -> None:
        with self._lock:
            if guard.key in self._guards:
                self._say([line])

    def forget(self, guard: Guard) -> None:
        with self._lock:
            if self._guards.pop(guard.key, None) is not None:
                self._say([f"done {guard.key}"])
                self._listen()
                self._stopped.discard(guard.key)

    def has_stopped(self, guard: Guard) -> bool:
        with self._lock:
            self._listen()
            return guard.key in self._stopped

    def close(self) -> None:
        """End it; it first ends what it still guards."""
        with self._lock:
            guards_any = bool(self._guards)
            self._guards.clear()
            process, self._process = self._process, None
        if process is not None:
            if not guards_any:
                process.kill()  # it may not even have started yet
            _close_pipes(process)
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _start(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, *COMMAND], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, cwd="/"
            )
        except OSError as error:
            log.error("watchdog_not_started error=%s", error)
            return
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        for guard in self._guards.values():
            self._write(guard.lines())

    def _say(self, lines: List[str]) -> None:
        if self._process is None or self._write(lines):
            return
        log.warning("watchdog_replaced pid=%d", self._process.pid)
        self._listen()
        self._process.kill()
        self._process.wait()
        _close_pipes(self._process)
        self._process = None
        self._start()

    def _write(self, lines: List[str]) -> bool:
        assert self._process is not None
        assert self._process.stdin is not None
        data = "".join(f"{line}\n" for line in lines).encode()
        writer = self._process.stdin.fileno()
        try:
            return os.write(writer, data) == len(data)
        except BlockingIOError:
            return _has_room(writer) and self._write(lines)
        except OSError:
            return False

    def _listen(self) -> None:
        """Take in what it said."""
        if self._process is None or self._process.stdout is None:
            return
        with contextlib.suppress(OSError):
            self._stopped.update(os.read(self._process.stdout.fileno(), READ_BYTES).decode().split())


class Guard:
    """One run under guard, while the block lasts."""

    def __init__(self, watchdog: Watchdog, key: str, folder: str, until: float, grace: float) -> None:
        self.key = key
        self._watchdog = watchdog
        self._folder = folder
        self._until = until
        self._grace = grace
        self._leader: Optional[int] = None
        self._is_asked_to_end = False

    def __enter__(self) -> Guard:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._watchdog.forget(self)

    def leads(self, pid: int) -> None:
        """The run's process has started."""
        self._leader = pid
        self._watchdog.tell(self, f"leader {self.key} {pid}")

    def extend(self, until: float) -> None:
        """The server was heard."""
        self._until = until
        self._watchdog.tell(self, f"until {self.key} {until!r}")

    def asked_to_end(self) -> None:
        """The bot itself stops the run because the server is silent: it is not to be asked twice, only killed."""
        self._is_asked_to_end = True
        self._watchdog.tell(self, f"asked {self.key}")

    def has_stopped(self) -> bool:
        """Whether the watchdog has stopped the run: its end says nothing of the task."""
        return self._watchdog.has_stopped(self)

    def lines(self) -> List[str]:
        """All that is to be told of it."""
        found = [f"watch {self.key} {self._until!r} {self._grace!r} {os.fsencode(self._folder).hex()}"]
        if self._leader is not None:
            found.append(f"leader {self.key} {self._leader}")
        if self._is_asked_to_end:
            found.append(f"asked {self.key}")
        return found


def _has_room(writer: int) -> bool:
    poller = select.poll()
    poller.register(writer, select.POLLOUT)
    return bool(poller.poll(int(ROOM_SECONDS * 1000)))


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
