"""Start the process of a task in a session of its own, and end it with everything it started."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import subprocess
import time
from typing import Dict, List, Optional

from swarming_bot import open_files
from swarming_bot.errors import TaskAtFault
from swarming_bot.process_tree import ProcessTree

# The machine is short of something, or its disk fails, which is not the task's doing.
_MACHINE_TROUBLE = (errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO, errno.ENOSPC)


class Process:
    """A running process, leader of its own group, whose stdout and stderr come as one stream.

    run_folder: what tells its descendants from all other processes (process_tree.py).
    """

    def __init__(self, command: List[str], cwd: str, env: Dict[str, str], run_folder: str) -> None:
        """Start it. Raises TaskAtFault when the command is at fault, OSError when the machine is."""
        if not command:
            raise TaskAtFault("the task has no command")
        self.tree = ProcessTree(run_folder)
        try:
            self._start(command, cwd, env)
        except BaseException:
            self.tree.close()
            raise
        self.started = time.monotonic()
        self.pid = self._popen.pid
        self.tree.grow_from(self.pid)
        self.exit_fd = _open_exit_fd(self.pid)

    def _start(self, command: List[str], cwd: str, env: Dict[str, str]) -> None:
        try:
            # Mostly no preexec_fn: it rules out vfork, which starts a process in half the time.
            self._popen = subprocess.Popen(
                command,
                bufsize=0,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=env,
                start_new_session=True,
                preexec_fn=open_files.give_back if open_files.are_raised() else None,
            )
        except OSError as error:
            if error.errno in _MACHINE_TROUBLE:
                raise
            raise TaskAtFault(f"cannot start {command[0]!r}: {error.strerror or error}") from error
        except ValueError as error:  # a NUL or a '=' where the system allows none
            raise TaskAtFault(f"cannot start {command[0]!r}: {error}") from error
        assert self._popen.stdout is not None
        self._stdout = self._popen.stdout

    @property
    def stdout_fd(self) -> int:
        return self._stdout.fileno()

    def has_exited(self) -> bool:
        """Whether the leader has ended.

        Where the system allows it the leader is not reaped, so that its group cannot become another's.
        """
        if hasattr(os, "waitid"):
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            try:
                return os.waitid(os.P_PID, self.pid, flags) is not None
            except ChildProcessError:
                return True
        return self._popen.poll() is not None

    def reap(self) -> int:
        """Collect the exited leader: its exit code, negative for the signal that ended it."""
        return self._popen.wait()

    def end(self) -> None:
        """Kill whatever is left and let go of it. Safe at any point and more than once."""
        if self._popen.returncode is None:
            self.tree.signal(signal.SIGKILL)
            self._popen.wait()
        self.tree.close()
        self._stdout.close()
        if self.exit_fd is not None:
            os.close(self.exit_fd)
            self.exit_fd = None


def _open_exit_fd(pid: int) -> Optional[int]:
    """A descriptor that becomes readable when the process exits, where the system has such a thing."""
    if hasattr(os, "pidfd_open"):  # Linux 5.3 with Python 3.9
        with contextlib.suppress(OSError):
            return os.pidfd_open(pid)
    return None
