"""When a bot starts over by itself."""

from __future__ import annotations

import random

JITTER = 0.2  # as the reboots of 2015, so that bots which were started together do not restart together


def restart_after(period: float, bot_id: str, started_ts: float) -> float:
    """Seconds from the start to the restart: the same each time it is asked, another for each bot and start."""
    chance = random.Random(f"{bot_id} {started_ts}")
    return period * chance.uniform(1 - JITTER, 1 + JITTER)
