"""Standard output and error of the bot's commands."""

from __future__ import annotations

import sys


def make_printable() -> None:
    """Let nothing fail because a terminal or a pipe cannot show a character."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # neither a closed one nor a test's
            stream.reconfigure(errors="replace")
