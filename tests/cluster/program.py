"""A process under test: it can be killed, stopped in order, started again, and it never outlives us."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

LAST_LINES = 40
ORDERLY_SECONDS = 40.0
"""A bot gives its task a grace period of up to 30 s before it ends."""

# The system tells a child of our death when the *thread* that started it ends; so one thread, which lives as long as
# this process, starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter-of-programs")


class ProgramFailed(Exception):
    """A program ended or stayed silent; the message carries the end of its log."""


class Program:
    """A command that runs, again and again if need be, with all it says in one log file."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        at_our_death: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = [*_tied_to_us(at_our_death), *command]
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The id of the process that runs, or ran last."""
        assert self._process is not None, f"{self.name} was never started"
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """How the process ended (negative for a signal), None while it runs."""
        return None if self._process is None else self._process.poll()

    @property
    def is_running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process; returns at once. Does nothing while one runs."""
        if not self.is_running:
            self._process = _starter.submit(self._start).result()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, and do not wait for what comes of it."""
        if self._process is not None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, by SIGKILL."""
        self.signal(signal.SIGKILL)
        self.wait(ORDERLY_SECONDS)

    def wait_or_kill(self, seconds: float = ORDERLY_SECONDS) -> None:
        """Wait until it has ended, and kill it when that takes too long."""
        try:
            self.wait(seconds)
        except ProgramFailed:
            self.kill()

    def wait(self, seconds: float) -> int | None:
        """Wait until it has ended; its exit status. Raises ProgramFailed when that takes too long."""
        if self._process is None:
            return None
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired as error:
            raise ProgramFailed(f"{self.name} still runs after {seconds} s\n{self.log_end()}") from error

    def log_end(self, lines: int = LAST_LINES) -> str:
        """The last of what it said, in all its lives."""
        text = ""
        with contextlib.suppress(FileNotFoundError):
            text = self.log.read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def _start(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                cwd=self.log.parent,
                start_new_session=True,  # Ctrl-C is for the test run, which then ends its programs itself
            )


def _tied_to_us(at_our_death: signal.Signals) -> list[str]:
    """What makes the system end a program when we die, where there is such a thing: on Linux."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", at_our_death.name.removeprefix("SIG")] if setpriv else []
