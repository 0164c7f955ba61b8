"""Reboot the machine, where the bot was given a command for it."""

from __future__ import annotations

import subprocess
from typing import Optional, Sequence

COMMAND_SECONDS = 60.0
PATIENCE_SECONDS = 300.0  # from the command to the end of everything


def reboot_machine(command: Sequence[str]) -> Optional[str]:
    """Run the command; what went wrong, or None. A machine that obeys soon ends the bot with a signal."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    if done.returncode == 0:
        return None
    return f"exit code {done.returncode}: {done.stdout[-500:].decode('utf-8', 'replace').strip()}"
