"""The folder of one bot: a lock, a note about the running process, and a folder for each run."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from typing import Optional

from swarming_bot import leftovers
from swarming_bot.errors import BotError

LOCK_PATIENCE_SECONDS = 5.0  # the bot that held the folder may be on its way out
REMOVE_ATTEMPTS = 5
REMOVE_PAUSE_SECONDS = 0.05  # a process that was just killed may still be writing


class WorkFolder:
    """Belongs to one bot id, and to one process at a time."""

    def __init__(self, path: str) -> None:
        self.path = os.path.abspath(path)
        self._runs = os.path.join(self.path, "runs")
        self._note = os.path.join(self.path, "running.json")
        self._lock: Optional[int] = None

    def take(self) -> None:
        """Take the folder, and end what an earlier bot that was killed left in it.

        Raises BotError when another process has it.
        """
        os.makedirs(self._runs, exist_ok=True)
        self._lock = _lock_file(os.path.join(self.path, "lock"))
        leftovers.end(self._note)
        remove_tree(self._runs)
        os.makedirs(self._runs, exist_ok=True)

    def release(self) -> None:
        """Let another process have the folder. Does nothing when it is not ours."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

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


def remove_tree(path: str) -> bool:
    """Remove a folder whatever a task did to its permissions; say whether it is gone."""
    for attempt in range(REMOVE_ATTEMPTS):
        try:
            shutil.rmtree(path)
            return True
        except FileNotFoundError:
            if not os.path.lexists(path):
                return True
        except OSError:
            _make_removable(path)
        if attempt:
            time.sleep(REMOVE_PAUSE_SECONDS)
    return not os.path.lexists(path)


def _make_removable(path: str) -> None:
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
    for folder, names, _ in os.walk(path):
        for name in names:
            inner = os.path.join(folder, name)
            if not os.path.islink(inner):
                with contextlib.suppress(OSError):
                    os.chmod(inner, 0o700)


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
        time.sleep(REMOVE_PAUSE_SECONDS)
