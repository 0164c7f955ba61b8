"""Whether a server that may be away is worth asking just now, so that nobody waits in vain."""

import time

AWAY_SECONDS = 1.0
"""For so long after a failure nothing is asked; then a single caller tries."""


class Circuit:
    """Remembers how the last question ended."""

    def __init__(self) -> None:
        self.connected = False
        self._ask_again_at = 0.0

    def may_ask(self) -> bool:
        """Whether to ask; while the server is away this is true for one caller a second."""
        if self.connected:
            return True
        now = time.monotonic()
        if now < self._ask_again_at:
            return False
        self._ask_again_at = now + AWAY_SECONDS
        return True

    def answered(self) -> None:
        """The server is there."""
        self.connected = True

    def failed(self) -> None:
        """The server did not answer."""
        self.connected = False
        self._ask_again_at = time.monotonic() + AWAY_SECONDS
