"""What people and pipes see: data on standard output, everything else on standard error."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from swarming_client.table import one_line, table

CLEAR_LINE = "\r\x1b[K"


class Console:
    """The two streams of one command; a terminal's status line never mixes with what is printed.

    Leaving the context clears the status line. Safe to use from several threads.
    """

    def __init__(self) -> None:
        self.has_status = sys.stderr.isatty()
        self._lock = threading.Lock()
        self._status_shown = False
        self._line_open = False  # the terminal's cursor stands behind output that ended without a newline

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock, suppress(OSError):  # a terminal that was closed has no status line either
            self._clear_status()

    def write(self, text: str) -> None:
        """Pass on a task's output as it is, at once."""
        if not text:
            return
        with self._lock:
            self._clear_status()
            sys.stdout.write(text)
            sys.stdout.flush()
            self._line_open = sys.stdout.isatty() and not text.endswith("\n")

    def print(self, *lines: str) -> None:
        """Print lines of data."""
        self.write("".join(f"{line}\n" for line in lines))

    def print_json(self, value: Mapping[str, Any]) -> None:
        """Print an API reply: indented for a reader, on one line for a program."""
        indent = 2 if sys.stdout.isatty() else None
        # A program is to read what was meant, also through a pipe that takes ASCII only.
        takes_all = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
        self.print(json.dumps(value, indent=indent, ensure_ascii=not takes_all))

    def print_table(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Print rows in columns."""
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        self.print(*table(header, rows, width))

    def say(self, message: str) -> None:
        """Tell people something, on standard error."""
        with self._lock:
            self._clear_status()
            start = "\n" if self._line_open else ""
            self._line_open = False
            print(f"{start}swarming: {one_line(message)}", file=sys.stderr, flush=True)

    def status(self, text: str) -> None:
        """Show what is going on in the terminal's last line, if there is a terminal and the line is free."""
        if not self.has_status or self._line_open:
            return
        with self._lock:
            room = shutil.get_terminal_size().columns - 1
            sys.stderr.write(CLEAR_LINE + one_line(text)[:room])
            sys.stderr.flush()
            self._status_shown = True

    def _clear_status(self) -> None:
        if self._status_shown:
            sys.stderr.write(CLEAR_LINE)
            sys.stderr.flush()
            self._status_shown = False
