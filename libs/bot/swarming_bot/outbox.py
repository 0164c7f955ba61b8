"""Events that wait until the connection is free: whoever has something to tell may be in the middle of a call."""

from __future__ import annotations

import logging
from collections import deque
from typing import Callable, Deque, Tuple

from swarming_bot.errors import BotError, ServerAway

log = logging.getLogger(__name__)

ALLOWED_EVENTS = ("bot_error", "bot_log", "bot_rebooting", "bot_shutdown")
MOST_WAITING = 100  # a hook that posts for ever while the server is away does not fill the memory
LONGEST_MESSAGE = 60_000  # characters


class Outbox:
    """Used by one thread at a time; events leave in order, and one that is refused is only logged."""

    def __init__(self, send: Callable[[str, str], None]) -> None:
        self._send = send
        self._waiting: Deque[Tuple[str, str]] = deque(maxlen=MOST_WAITING)

    def put(self, event: str, message: str) -> None:
        """Have it told with the next `deliver`. An unknown event raises ValueError: its author should know."""
        if event not in ALLOWED_EVENTS:
            raise ValueError(f"event {event!r}: expected one of {', '.join(ALLOWED_EVENTS)}")
        self._waiting.append((event, str(message)[:LONGEST_MESSAGE]))

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not self._waiting

    def deliver(self) -> None:
        """Tell everything that waits; while the server is away it waits on. The connection must be free."""
        while self._waiting:
            event, message = self._waiting[0]
            try:
                self._send(event, message)
            except ServerAway as error:
                log.info("event_delayed event=%s error=%s", event, error)
                return
            except BotError as error:
                log.warning("event_not_delivered event=%s error=%s", event, error)
            self._waiting.popleft()
