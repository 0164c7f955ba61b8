"""The line between a bot and its supervisor: each hears at once when the other is gone."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from typing import Optional

VARIABLE = "SWARMING_BOT_SUPERVISOR"
PROVEN = b"+"


class SupervisorLink:
    """The bot's end."""

    def __init__(self, line: socket.socket) -> None:
        self._line = line

    def tell_proven(self) -> None:
        """This code works."""
        with contextlib.suppress(OSError):
            self._line.sendall(PROVEN)

    def stop_with_supervisor(self) -> None:
        """From now on, end this process in order when the supervisor has died: nobody else would."""
        threading.Thread(target=self._listen, name="supervisor", daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while self._line.recv(16):
                pass
        os.kill(os.getpid(), signal.SIGTERM)


def link_of_this_process() -> Optional[SupervisorLink]:
    """The line that this process was started with; None without a supervisor. Tasks inherit nothing of it."""
    descriptor = os.environ.pop(VARIABLE, "")
    if not descriptor.isdigit():
        return None
    try:
        line = socket.socket(fileno=int(descriptor))
    except OSError:
        return None
    line.set_inheritable(False)
    return SupervisorLink(line)
