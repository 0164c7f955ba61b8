"""The folder of one bot: a lock, a note about the running process, a folder for each run, and what outlives runs."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import time
from typing import Optional

from swarming_bot import leftovers
from swarming_bot.errors import BotError
from swarming_bot.process_tree import kill_strays
from swarming_bot.removal import remove_tree
from swarming_bot.short_folder import runs_folder

log = logging.getLogger(__name__)

LOCK_PATIENCE_SECONDS = 5.0  # the bot that held the folder may be on its way out
LOCK_PAUSE_SECONDS = 0.05


class WorkFolder:
    """Belongs to one bot id, and to one process at a time."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._runs = os.path.join(self.path, "runs")
        """Where runs live; `take` may choose a shorter place."""
        self._note = os.path.join(self.path, "running.json")
        self._lock: Optional[int] = None

    def take(self) -> None:
        """Take the folder, and end what an earlier bot that was killed left in it.

        Raises BotError when another process has it.
        """
        os.makedirs(self.path, exist_ok=True)
        self._lock = _lock_file(os.path.join(self.path, "lock"))
        self._runs = runs_folder(self.path)
        os.makedirs(self._runs, exist_ok=True)
        leftovers.end(self._note)
        if os.listdir(self._runs):  # else no process can be left, and looking for them costs a while
            for pid in kill_strays(self._runs):
                log.warning("stray_killed pid=%d", pid)
            self.sweep()

    def release(self) -> None:
        """Let another process have the folder. Does nothing when it is not ours."""
        if self._lock is not None:
            if os.path.dirname(self._runs) != self.path:
                with contextlib.suppress(OSError):  # a run may have left something
                    os.rmdir(self._runs)
            os.close(self._lock)
            self._lock = None

    @property
    def caches(self) -> str:
        """Where named caches live; it may not exist."""
        return os.path.join(self.path, "caches")

    @property
    def undelivered(self) -> str:
        """Where a report waits that the server could not be told; it may not exist."""
        return os.path.join(self.path, "undelivered")

    def sweep(self) -> bool:
        """Remove what is left of earlier runs; say whether it is gone. To be called while there is no run."""
        with contextlib.suppress(FileNotFoundError):
            if not os.listdir(self._runs):
                return True
        is_gone = remove_tree(self._runs)
        try:
            os.makedirs(self._runs, exist_ok=True)
        except OSError as error:  # a full disk; the next run tries again
            log.warning("runs_folder_not_made path=%s error=%s", self._runs, error)
        return is_gone

    def run_folder(self, run_id: str) -> str:
        """Where a run lives; it does not exist before the run is prepared."""
        return os.path.join(self._runs, run_id)

    def remember(self, pid: int, run_id: str) -> None:
        """Note the running process, for a successor of this bot, should it be killed."""
        leftovers.write(self._note, pid, run_id)

    def forget(self) -> None:
        """The noted process is gone."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._note)


def _lock_file(path: str) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except OSError as error:
            if time.monotonic() >= deadline:
                os.close(descriptor)
                folder = os.path.dirname(path)
                raise BotError(f"another bot is using {folder}; choose another --id or --work") from error
        time.sleep(LOCK_PAUSE_SECONDS)
