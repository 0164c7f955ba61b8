"""Watch one process until it ends: pass on its output, keep its time limits, stop it when told to."""

from __future__ import annotations

import enum
import logging
import os
import select
import signal
import time
from dataclasses import dataclass
from typing import Optional

from swarming_bot.manifest import Manifest
from swarming_bot.output import Output
from swarming_bot.pacing import Pacing
from swarming_bot.process import Process
from swarming_bot.sender import Sender
from swarming_bot.stop import Stop

log = logging.getLogger(__name__)

READ_BYTES = 128 * 1024
LINGER_SECONDS = 0.1  # for what a child of the exited process still writes
# What the process left running is not the task any more: it is asked to end, but the result does not wait long.
LEFTOVER_GRACE_SECONDS = 1.0
KILL_AGAIN_SECONDS = 0.2  # a fork may have slipped through
KILL_PATIENCE_SECONDS = 5.0  # a process may hang in the kernel, or belong to a user that we may not signal
DRAIN_SECONDS = 0.5  # after the kill, for a pipe that a foreign process may hold for ever
# The server starts another run 30 s after its tolerance is over; ours is gone by then, whatever its grace period.
SILENT_GRACE_SECONDS = 20.0
# Where no descriptor tells of the exit. Mostly the end of the output tells of it first.
EXIT_CHECK_SECONDS = 0.1
EXIT_CHECK_AFTER_OUTPUT_SECONDS = 0.002


class Cause(enum.Enum):
    """Why a process ended."""

    ITSELF = "it ended by itself"
    HARD_TIMEOUT = "it ran longer than its hard timeout"
    IO_TIMEOUT = "it wrote nothing for longer than its I/O timeout"
    MUST_STOP = "the server said that it must stop"
    SERVER_SILENT = "the server was silent for longer than the run's ping tolerance"
    BOT_STOPS = "the bot was asked to stop"
    OUTPUT_LOST = "its output could not be kept"


@dataclass(frozen=True)
class Ending:
    """How a process ended."""

    exit_code: int  # negative for a signal
    duration: float  # seconds
    cause: Cause


def silent_grace(manifest: Manifest) -> float:
    """Seconds that a run gets to end in when the server was silent for too long."""
    return min(manifest.grace_period, SILENT_GRACE_SECONDS)


class Supervision:
    """One process under watch, by one thread. `run` returns when it and all it started are gone."""

    def __init__(self, process: Process, manifest: Manifest, output: Output, sender: Sender, stop: Stop) -> None:
        self._process = process
        self._manifest = manifest
        self._output = output
        self._sender = sender
        self._stop = stop
        self._pacing = Pacing(process.started)
        self._last_output = process.started
        self._has_more_output = True
        self._cause = Cause.ITSELF
        self._kill_at: Optional[float] = None
        self._has_exited = False

    def run(self) -> Ending:
        """Watch until the end. An error of the sender that no retry mends is left for the caller to see."""
        while True:
            now = time.monotonic()
            self._stop.clear_wake()
            self._keep_limits(now)
            self._send_if_due(now)
            self._wait(self._seconds_to_wait(now))
            if self._process.has_exited():
                break
        self._has_exited = True
        duration = time.monotonic() - self._process.started
        self._drain(LINGER_SECONDS)
        if not self._process.tree.is_bare():
            self._end_the_rest()
            self._drain(DRAIN_SECONDS)
        if self._cause is Cause.ITSELF and self._output.failure is not None:
            self._cause = Cause.OUTPUT_LOST  # it was the last of its output
        return Ending(self._process.reap(), duration, self._cause)

    def _end_the_rest(self) -> None:
        """End what the exited process left running: first politely, then not. The server goes on hearing of us."""
        begun = time.monotonic()
        kill_at = self._kill_at or begun + min(LEFTOVER_GRACE_SECONDS, self._manifest.grace_period)
        give_up_at = max(begun, kill_at) + KILL_PATIENCE_SECONDS
        pause = 0.005
        self._process.tree.signal(signal.SIGTERM)
        while not self._process.tree.is_bare():
            now = time.monotonic()
            if now >= give_up_at:
                log.error("processes_left run_id=%s pids=%s", self._manifest.run_id, self._process.tree.members())
                return
            if now >= kill_at:
                self._process.tree.signal(signal.SIGKILL)
                kill_at = now + KILL_AGAIN_SECONDS
            self._stop.clear_wake()
            self._send_if_due(now)
            self._wait(pause)
            pause = min(2 * pause, 0.1)  # looking may cost a reading of the process table

    def _keep_limits(self, now: float) -> None:
        if self._kill_at is None:
            cause = self._cause_to_stop(now)
            if cause is not None:
                log.info("run_stopping run_id=%s cause=%s", self._manifest.run_id, cause.name)
                self._cause = cause
                self._kill_at = now + self._grace(cause)
                self._process.tree.signal(signal.SIGTERM)
        if self._kill_at is not None and now >= self._kill_at:
            self._process.tree.signal(signal.SIGKILL)
            self._kill_at = now + KILL_AGAIN_SECONDS

    def _cause_to_stop(self, now: float) -> Optional[Cause]:
        if self._sender.must_stop:
            return Cause.MUST_STOP
        if self._sender.error is not None:
            return Cause.SERVER_SILENT
        if self._stop.requested:
            return Cause.BOT_STOPS
        if self._output.failure is not None:
            return Cause.OUTPUT_LOST
        if now >= self._hard_deadline():
            return Cause.HARD_TIMEOUT
        if now >= self._io_deadline():
            return Cause.IO_TIMEOUT
        return None

    def _grace(self, cause: Cause) -> float:
        return silent_grace(self._manifest) if cause is Cause.SERVER_SILENT else self._manifest.grace_period

    def _hard_deadline(self) -> float:
        limit = self._manifest.hard_timeout
        return self._process.started + limit if limit else float("inf")

    def _io_deadline(self) -> float:
        limit = self._manifest.io_timeout
        return self._last_output + limit if limit else float("inf")

    def _send_if_due(self, now: float) -> None:
        if self._may_send() and now >= self._pacing.due(self._output.unsent):
            self._pacing.sent(now, self._output.unsent)
            self._sender.start()

    def _may_send(self) -> bool:
        return not self._sender.is_busy and self._sender.error is None

    def _seconds_to_wait(self, now: float) -> float:
        wake_at = self._kill_at or min(self._hard_deadline(), self._io_deadline())
        if self._may_send():
            wake_at = min(wake_at, self._pacing.due(self._output.unsent))
        if self._process.exit_fd is None:
            check = EXIT_CHECK_SECONDS if self._has_more_output else EXIT_CHECK_AFTER_OUTPUT_SECONDS
            wake_at = min(wake_at, now + check)
        return min(max(0.0, wake_at - now), 60.0)

    def _wait(self, seconds: float) -> None:
        """Wait for output, the exit, a wake-up or the time, and take in the output there is."""
        poller = select.poll()
        poller.register(self._stop, select.POLLIN)
        if self._process.exit_fd is not None and not self._has_exited:
            poller.register(self._process.exit_fd, select.POLLIN)
        reads = self._has_more_output
        if reads:
            poller.register(self._process.stdout_fd, select.POLLIN)
        # Rounded up: poll counts in milliseconds, and waking a little early would spin.
        ready = poller.poll(int(seconds * 1000) + 1 if seconds else 0)
        if reads and any(fd == self._process.stdout_fd for fd, _ in ready):
            self._read()

    def _drain(self, seconds: float) -> None:
        """Read to the end of the output, for at most so long."""
        poller = select.poll()
        poller.register(self._process.stdout_fd, select.POLLIN)
        deadline = time.monotonic() + seconds
        while self._has_more_output:
            left = deadline - time.monotonic()
            if left <= 0 or not poller.poll(int(left * 1000) + 1):
                return
            self._read()

    def _read(self) -> None:
        data = os.read(self._process.stdout_fd, READ_BYTES)
        if not data:
            self._has_more_output = False
            return
        now = time.monotonic()
        self._last_output = now
        self._pacing.saw_output(now, self._output.unsent)
        self._output.append(data)
