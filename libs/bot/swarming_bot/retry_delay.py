"""How long to wait before asking a silent server again."""

from __future__ import annotations

import random

# Upstream waits up to 300 s. Our bots should be back soon after a server restart, and ten seconds between
# the calls of an idle bot is still next to nothing for a server that has thousands of them.
LONGEST_DELAY_SECONDS = 10.0
LONGEST_CALL_DELAY_SECONDS = 5.0  # of a bot at work: a server that is there for a moment should hear of its run
FIRST_CALL_DELAY_SECONDS = 0.2  # most failures are a connection that died with one server replica
FIRST_POLL_DELAY_SECONDS = 0.1
# Only a person, or the end of the other process's bot, changes it.
FIRST_SUPERSEDED_DELAY_SECONDS = 15.0
LONGEST_SUPERSEDED_DELAY_SECONDS = 300.0
JITTER = 0.2  # so that bots which lost the server together do not come back together


def call_delay(attempt: int) -> float:
    """Seconds to wait inside a call after its failed attempt number `attempt` (from 0)."""
    return _jittered(min(FIRST_CALL_DELAY_SECONDS * 1.5 ** min(attempt, 30), LONGEST_CALL_DELAY_SECONDS))


def poll_delay(failures: int) -> float:
    """Seconds to wait before the next poll or handshake after so many failures in a row (from 1)."""
    if failures <= 1:
        return _jittered(FIRST_POLL_DELAY_SECONDS)
    return _jittered(min(1.4 ** min(failures - 1, 30), LONGEST_DELAY_SECONDS))


def superseded_delay(refusals: int) -> float:
    """Seconds to wait before asking again whether another process still has the bot's id (from 1)."""
    first, longest = FIRST_SUPERSEDED_DELAY_SECONDS, LONGEST_SUPERSEDED_DELAY_SECONDS
    return _jittered(min(first * 2.0 ** min(refusals - 1, 30), longest))


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1 - JITTER, 1 + JITTER)
