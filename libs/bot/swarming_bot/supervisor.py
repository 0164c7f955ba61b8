"""Keeps one bot running from its folder of code, and goes back to the last good code when other code does not work.

It is all that a machine's service has to start. It knows nothing of the protocol but the address to ask whether there
is a server, and everything that it needs is imported at its start: the zip that it runs from may be replaced meanwhile.
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import time
from types import FrameType
from typing import List, Optional

from swarming_bot.code_folder import CodeFolder
from swarming_bot.log_levels import NOTICE
from swarming_bot.proxies import new_opener
from swarming_bot.supervisor_link import VARIABLE

log = logging.getLogger(__name__)

EXIT_DONE = 0
EXIT_BAD_ARGUMENTS = 2
EXIT_TO_START_AGAIN = 90  # the bot wants a new process; perhaps it has put other code on trial
EXIT_IN_USE = 1

# From a start to the first answer to a poll, which the server may hold for a minute.
TRIAL_SECONDS = 180.0
TRIAL_CRASHES = 2  # the first may be somebody's kill
TRIAL_PAUSE_SECONDS = 1.0
# A version that worked once and then ends so often, each time so soon, is given up for the one before it.
CRASHES_IN_A_ROW = 5
SOON_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 60.0
STOP_SECONDS = 40.0  # a task gets a grace period of mostly 30 s
PING_SECONDS = 10.0
PING_ANSWER = b"Server up"
MOST_PING_BYTES = 1024
SIGNALS = (signal.SIGTERM, signal.SIGINT)
LOCK = "swarming_bot.lock"


class Supervisor:
    """Starts the bot in a child process, again and again.

    command: what the zip is started with, before the arguments.
    trial_seconds: for how long new code may take until a poll is answered.
    """

    def __init__(
        self,
        folder: CodeFolder,
        server_url: str,
        command: str,
        arguments: List[str],
        trial_seconds: float = TRIAL_SECONDS,
    ) -> None:
        self._folder = folder
        self._server_url = server_url
        self._command = [command, *arguments]
        self._trial_seconds = trial_seconds
        self._child: Optional[subprocess.Popen[bytes]] = None
        self._stopping = False
        self._is_proven = False  # what runs, or ran last, said that it works
        self._crashes = 0  # in a row, of code that had worked
        self._quick_starts = 0  # in a row, that the bot asked for
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def run(self) -> int:
        """Until the bot ends by itself or a signal comes; returns the exit code. Raises OSError for a folder without
        code, or one that cannot be written."""
        lock = self._take_folder()
        if lock is None:
            log.error("folder_in_use path=%s", self._folder.path)
            return EXIT_IN_USE
        previous = {number: signal.signal(number, self._on_signal) for number in SIGNALS}
        try:
            self._folder.settle()
            return self._run()
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
            for descriptor in (lock, self._reader, self._writer):
                os.close(descriptor)

    def _run(self) -> int:
        while True:
            began = time.monotonic()
            try:
                status = self._run_child()
                is_on_trial = self._folder.note().is_on_trial and not self._is_proven
                if self._stopping:
                    return EXIT_DONE if status == EXIT_TO_START_AGAIN else max(status or 0, 0)
                if status in (EXIT_DONE, EXIT_BAD_ARGUMENTS) and not is_on_trial:
                    return status
                lasted = time.monotonic() - began
                if status == EXIT_TO_START_AGAIN and self._is_proven:
                    pause = self._pause_between_starts(lasted)
                else:
                    pause = self._judge(status, lasted, is_on_trial)
            except OSError as error:  # no room for a process or a note; it may pass
                log.error("bot_not_started error=%s", error)
                pause = LONGEST_PAUSE_SECONDS
            if select.select([self._reader], [], [], pause)[0]:
                return EXIT_DONE  # a signal

    def _judge(self, status: Optional[int], lasted: float, is_on_trial: bool) -> float:
        """Decide what to start next; seconds until then. status: None for code that took too long."""
        how = f"it ended with {status}" if status is not None else "it had no answer to a poll in time"
        log.warning("bot_ended status=%s lasted=%.1f is_on_trial=%s", status, lasted, is_on_trial)
        if is_on_trial:
            if status is not None and self._folder.count_crash() < TRIAL_CRASHES:
                return TRIAL_PAUSE_SECONDS
            self._abandon(how)
            return 0.0
        self._crashes = self._crashes + 1 if lasted < SOON_SECONDS else 1
        if self._crashes >= CRASHES_IN_A_ROW and self._folder.can_go_back:
            self._abandon(f"{how}, {self._crashes} times in a row")
            return 0.0
        return _pause_after(self._crashes)

    def _pause_between_starts(self, lasted: float) -> float:
        """None, unless the bot asks for it soon after each start."""
        self._quick_starts = self._quick_starts + 1 if lasted < SOON_SECONDS else 0
        return _pause_after(self._quick_starts - 1) if self._quick_starts > 1 else 0.0

    def _abandon(self, reason: str) -> None:
        bad = self._folder.note().version
        good = self._folder.abandon(reason).version
        self._crashes = 0
        log.error("bot_code_abandoned version=%s reason=%s back_to=%s", bad, reason, good)

    def _run_child(self) -> Optional[int]:
        """Start what the note says; how it ended, None if it was on trial for too long."""
        self._is_proven = False
        note = self._folder.note()
        ours, theirs = socket.socketpair()
        with contextlib.closing(ours):
            with contextlib.closing(theirs):
                self._child = subprocess.Popen(
                    [sys.executable, self._folder.file(note.running), *self._command],
                    pass_fds=(theirs.fileno(),),
                    env={**os.environ, VARIABLE: str(theirs.fileno())},
                    start_new_session=True,  # Ctrl-C is for us, and we pass it on: once
                )
            log.log(NOTICE, "bot_started pid=%d version=%s", self._child.pid, note.version[:12])
            if self._stopping:
                self._child.terminate()
            return self._watch(self._child, ours, note.is_on_trial)

    def _watch(self, child: subprocess.Popen[bytes], line: socket.socket, is_on_trial: bool) -> Optional[int]:
        deadline = time.monotonic() + self._trial_seconds if is_on_trial else None
        while True:
            timeout = None if deadline is None else max(0.0, deadline - time.monotonic())
            if select.select([line], [], [], timeout)[0]:
                if not _read(line):
                    return child.wait()
                self._is_proven = True
                deadline = None
            elif self._server_is_there():
                self._end(child)
                return None
            else:  # where nobody answers, no code can prove itself
                deadline = time.monotonic() + self._trial_seconds

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def _server_is_there(self) -> bool:
        try:
            url = f"{self._server_url}/swarming/api/v1/bot/server_ping"
            with new_opener().open(url, timeout=PING_SECONDS) as answer:
                # A login page on the way answers 200 as well.
                return bool(answer.status == 200 and answer.read(MOST_PING_BYTES).strip() == PING_ANSWER)
        except (OSError, ValueError, http.client.HTTPException):
            return False

    def _on_signal(self, number: int, frame: Optional[FrameType]) -> None:
        self._stopping = True
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)
        with contextlib.suppress(BlockingIOError):
            os.write(self._writer, b"!")

    def _take_folder(self) -> Optional[int]:
        descriptor = os.open(self._folder.file(LOCK), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            return None
        return descriptor


def _pause_after(times: int) -> float:
    return min(2.0 ** min(times - 1, 10), LONGEST_PAUSE_SECONDS)


def _read(line: socket.socket) -> bytes:
    try:
        return line.recv(16)
    except ConnectionError:
        return b""
