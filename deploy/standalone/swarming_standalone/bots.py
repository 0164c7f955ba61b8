"""Bots on this machine, in a process of their own beside the server."""

import subprocess
import sys
from pathlib import Path

from swarming_bot.dimensions import short_host_name
from swarming_bot.settings import bot_ids

STOP_SECONDS = 40.0
"""A bot gives its task a grace period of up to 30 s before it ends."""


class LocalBots:
    """So many bots in one child process; none at all is fine."""

    def __init__(self, count: int, work: Path) -> None:
        self._name = short_host_name()
        self.ids = frozenset(bot_ids(self._name, count)) if count > 0 else frozenset[str]()
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._is_stopping = False

    def start(self, server: str) -> None:
        """Start them; they connect by themselves. `server`: the address at which they find it."""
        if not self.ids:
            return
        self._work.mkdir(parents=True, exist_ok=True)
        options = ["--server", server, "--bots", str(len(self.ids)), "--id", self._name]
        command = [sys.executable, "-m", "swarming_bot", *options, "--work", str(self._work.resolve())]
        self._process = subprocess.Popen(command, start_new_session=True)

    @property
    def exit_code(self) -> int | None:
        """The exit code of bots that ended by themselves; None as long as they run."""
        return None if self._process is None or self._is_stopping else self._process.poll()

    def stop(self) -> None:
        """Let them finish in good order; kill what does not."""
        self._is_stopping = True
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
