"""When the next update about a running task is due."""

from __future__ import annotations

from swarming_bot.output import LARGEST_CHUNK_BYTES

HEARTBEAT_SECONDS = 10.0
# The answer to a heartbeat is how a quiet task hears that it was cancelled, and who cancels does so early.
FIRST_HEARTBEAT_SECONDS = 1.0
HEARTBEATS_PER_AGE = 5.0  # so a heartbeat comes each second at first, and each 10 s once a run is 50 s old
# Upstream sends output every 4 s. People follow ours live, so the first output after quiet leaves at once,
# but for the moment in which the rest of the same burst arrives.
GATHER_SECONDS = 0.1
SPACING_SECONDS = 0.5  # a chatty task costs the server two updates a second, not ten


class Pacing:
    """Decides from what is unsent, and when the last update left. All times are monotonic seconds."""

    def __init__(self, now: float) -> None:
        self._started = now
        self._last_update = now
        self._last_output = now - SPACING_SECONDS
        self._fresh_since = now

    def saw_output(self, now: float, unsent_before: int) -> None:
        """Output came, while `unsent_before` bytes were still waiting."""
        if unsent_before == 0:
            self._fresh_since = now

    def sent(self, now: float, unsent: int) -> None:
        """An update left, with the first of so many unsent bytes."""
        self._last_update = now
        if unsent:
            self._last_output = now

    def due(self, unsent: int) -> float:
        """When the next update should leave."""
        if unsent >= LARGEST_CHUNK_BYTES:
            return self._last_update
        if unsent:
            return max(self._fresh_since + GATHER_SECONDS, self._last_output + SPACING_SECONDS)
        pause = (self._last_update - self._started) / HEARTBEATS_PER_AGE
        return self._last_update + min(HEARTBEAT_SECONDS, max(FIRST_HEARTBEAT_SECONDS, pause))
