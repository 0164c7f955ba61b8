"""The headers that prove who a bot is, where a hook gives them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Optional

LASTING_SECONDS = 300.0  # of headers that do not say how long they are good
RENEWED_BEFORE_SECONDS = 60.0
FAILED_PAUSE_SECONDS = 10.0  # before a hook that gave nothing is asked again


@dataclass(frozen=True)
class Headers:
    """Lines of a request's head, each with its line end, and until when they are good."""

    lines: str
    good_until: Optional[float]  # Unix seconds


class Authentication:
    """Asks for headers when those it has run out. Safe from any thread."""

    def __init__(self, ask: Callable[[], Optional[Headers]]) -> None:
        self._ask = ask
        self._lock = threading.Lock()
        self._lines = ""
        self._renew_at = 0.0

    def lines(self) -> str:
        """What to add to the head of a request."""
        with self._lock:
            now = time.time()
            if now >= self._renew_at:
                found = self._ask()
                if found is None:
                    self._renew_at = now + FAILED_PAUSE_SECONDS  # the old ones may still be good
                else:
                    self._lines = found.lines
                    until = now + LASTING_SECONDS if found.good_until is None else found.good_until
                    self._renew_at = max(until - RENEWED_BEFORE_SECONDS, now + FAILED_PAUSE_SECONDS)
            return self._lines

    def forget(self) -> None:
        """The server did not like them: ask again before the next request."""
        with self._lock:
            self._renew_at = 0.0


def read_headers(raw: Any) -> Headers:
    """What a hook returned: headers or None, alone or with when they run out in Unix seconds.

    Raises ValueError for anything else.
    """
    headers, good_until = raw if isinstance(raw, tuple) and len(raw) == 2 else (raw, None)
    if headers is not None and not isinstance(headers, dict):
        raise ValueError(f"expected (a dict of headers or None, when they run out or None), got {type(raw).__name__}")
    if good_until is not None and not isinstance(good_until, (int, float)):
        raise ValueError(f"expected Unix seconds or None, got {good_until!r}")
    lines = ""
    for name, value in (headers or {}).items():
        line = f"{name}: {value}"
        if not isinstance(name, str) or not isinstance(value, str) or not line.isprintable() or ":" in name:
            raise ValueError(f"header {name!r}: expected a name and a value on one line")
        lines += f"{line}\r\n"
    return Headers(lines, good_until or None)
