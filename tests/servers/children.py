"""Processes that end with this one, however it ends."""

import atexit
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

# The system ends a child when the *thread* that started it ends; so one thread that lives as long as the process
# starts them all.
_starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="starter-of-servers")
_running: set["Child"] = set()


class Child:
    """A process that we started, with its output in a log file."""

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        log: Path,
        user: str | None = None,
        environment: Mapping[str, str] | None = None,
        at_our_death: signal.Signals = signal.SIGKILL,
    ) -> None:
        self._log = log
        self._process = _starter.submit(_start, command, log, user, environment, at_our_death).result()
        _running.add(self)

    def died(self) -> str | None:
        """The end of its log, if the process is no more."""
        if self._process.poll() is None:
            return None
        return f"exit status {self._process.returncode}\n{self.log_end()}"

    def log_end(self) -> str:
        """The last lines of what it printed."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-20:])

    def end(self, by: signal.Signals = signal.SIGKILL, grace_seconds: float = 20.0) -> None:
        """End the process and wait for it; by SIGKILL when the given signal was not enough. Repeats safely."""
        self._process.send_signal(by)
        try:
            self._process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _running.discard(self)


def _start(
    command: Sequence[str | Path],
    log: Path,
    user: str | None,
    environment: Mapping[str, str] | None,
    at_our_death: signal.Signals,
) -> subprocess.Popen[bytes]:
    tied = ["setpriv", "--pdeathsig", at_our_death.name.removeprefix("SIG")] if shutil.which("setpriv") else []
    with log.open("ab") as output:
        return subprocess.Popen(
            [*tied, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            user=user,
            group=user,
            extra_groups=[] if user else None,
            cwd=log.parent,
            start_new_session=True,  # Ctrl-C is for the test run, which then stops its servers itself
        )


def account(name: str) -> str | None:
    """The account that a server must run as, because it refuses to run as root; None to run it as ourselves."""
    return name if os.geteuid() == 0 else None


@atexit.register
def _end_what_is_left() -> None:
    for child in list(_running):
        child.end()
