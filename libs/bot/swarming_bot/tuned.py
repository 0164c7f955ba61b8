"""The settings as they are now: what the bot was started with, and what get_settings made of it."""

from __future__ import annotations

import dataclasses
import time

from swarming_bot.caches import NamedCaches
from swarming_bot.hooked_bot import HookedBot
from swarming_bot.hooks import Hooks
from swarming_bot.state import MachineState
from swarming_bot.tuning import Tuning

PERIOD_SECONDS = 60.0  # how often the hook is asked


class Tuned:
    """Asks the hook now and then, and hands the numbers to those that go by them."""

    def __init__(
        self, given: Tuning, hooks: Hooks, hooked_bot: HookedBot, state: MachineState, caches: NamedCaches
    ) -> None:
        self.tuning = given
        self._given = given
        self._hooks = hooks
        self._bot = hooked_bot
        self._state = state
        self._caches = caches
        self._asked_at = float("-inf")
        self._bot.knows(settings=dataclasses.asdict(given))

    @property
    def is_due(self) -> bool:
        """Whether it is time to ask the hook."""
        return time.monotonic() - self._asked_at >= PERIOD_SECONDS

    def refresh_if_due(self) -> None:
        if self.is_due:
            self.refresh()

    def refresh(self) -> None:
        """Ask the hook; where there is none, or it fails, the settings are those the bot was started with."""
        self._asked_at = time.monotonic()
        tuning = self._hooks.ask("get_settings", self._given.changed_by, self._bot) or self._given
        if tuning != self.tuning:
            self.tuning = tuning
            self._state.cost_usd_hour = tuning.cost_usd_hour
            self._state.lowest_free_mb = tuning.lowest_free_disk_mb
            self._caches.limits = tuning.cache_limits
            self._bot.knows(settings=dataclasses.asdict(tuning))
