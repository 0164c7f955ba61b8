"""Bots on this machine, in a process of their own beside the server."""

import subprocess
import sys
from pathlib import Path

STOP_SECONDS = 40.0
"""A bot gives its task a grace period of up to 30 s before it ends."""


class LocalBots:
    """So many bots in one child process; none at all is fine."""

    def __init__(self, count: int, work: Path) -> None:
        self._count = count
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, server: str) -> None:
        """Start them; they connect by themselves."""
        if self._count < 1:
            return
        self._work.mkdir(parents=True, exist_ok=True)
        options = ["--server", server, "--bots", str(self._count), "--work", str(self._work.resolve())]
        self._process = subprocess.Popen([sys.executable, "-m", "swarming_bot", *options], start_new_session=True)

    def stop(self) -> None:
        """Let them finish in good order; kill what does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
