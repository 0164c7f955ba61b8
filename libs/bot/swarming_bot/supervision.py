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
DRAIN_SECONDS = 0.5  # after the kill, for a pipe that a process outside the group may hold for ever
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


@dataclass(frozen=True)
class Ending:
    """How a process ended."""

    exit_code: int  # negative for a signal
    duration: float  # seconds
    cause: Cause


class Supervision:
    """One process under watch, by one thread. `run` returns when it and its group are gone."""

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
        duration = time.monotonic() - self._process.started
        self._drain(LINGER_SECONDS)
        self._process.signal_group(signal.SIGKILL)
        self._drain(DRAIN_SECONDS)
        return Ending(self._process.reap(), duration, self._cause)

    def _keep_limits(self, now: float) -> None:
        if self._kill_at is None:
            cause = self._cause_to_stop(now)
            if cause is not None:
                log.info("run_stopping run_id=%s cause=%s", self._manifest.run_id, cause.name)
                self._cause = cause
                self._kill_at = now + self._manifest.grace_period
                self._process.signal_group(signal.SIGTERM)
        if self._kill_at is not None and now >= self._kill_at:
            self._process.signal_group(signal.SIGKILL)
            self._kill_at = now + 1.0  # again, should a fork have slipped through

    def _cause_to_stop(self, now: float) -> Optional[Cause]:
        if self._sender.must_stop:
            return Cause.MUST_STOP
        if self._sender.error is not None:
            return Cause.SERVER_SILENT
        if self._stop.requested:
            return Cause.BOT_STOPS
        if now >= self._hard_deadline():
            return Cause.HARD_TIMEOUT
        if now >= self._io_deadline():
            return Cause.IO_TIMEOUT
        return None

    def _hard_deadline(self) -> float:
        limit = self._manifest.hard_timeout
        return self._process.started + limit if limit else float("inf")

    def _io_deadline(self) -> float:
        limit = self._manifest.io_timeout
        # While we do not read, the silence is ours.
        return self._last_output + limit if limit and self._output.has_room else float("inf")

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
        if self._process.exit_fd is not None:
            poller.register(self._process.exit_fd, select.POLLIN)
        reads = self._has_more_output and self._output.has_room
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
