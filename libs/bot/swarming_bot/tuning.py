"""The settings that a hook may change while the bot runs."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from swarming_bot.caches import CacheLimits

BYTES_PER_MB = 1024 * 1024
LOWEST_FREE_DISK_MB = 2048.0  # as in 2015
CACHE_TOTAL_MB = 50 * 1024.0
CACHE_COUNT = 50
CACHE_AGE_SECS = 14 * 24 * 3600.0
CACHE_FREE_DISK_MB = 2 * LOWEST_FREE_DISK_MB  # caches go before a bot has to quarantine itself


@dataclass(frozen=True)
class Tuning:
    """Numbers, none negative. The names are also those of the command line and of what get_settings returns."""

    cost_usd_hour: float = 0.0
    lowest_free_disk_mb: float = LOWEST_FREE_DISK_MB  # below it the bot quarantines itself; 0 for never
    restart_period_secs: float = 0.0  # between restarts of the bot, give or take a fifth; 0 for never
    cache_total_mb: float = CACHE_TOTAL_MB  # for all caches of the bot; 0 for any
    cache_count: float = CACHE_COUNT  # 0 for any
    cache_age_secs: float = CACHE_AGE_SECS  # since a cache was last used; 0 for any
    cache_free_disk_mb: float = CACHE_FREE_DISK_MB  # what caches leave free of the disk; 0 for none

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < 0:
                raise ValueError(f"{field.name} {value!r}: expected a number, 0 or more")

    def changed_by(self, raw: Any) -> Tuning:
        """These settings with what a hook returned; names that are not ours are another bot's, and ignored.

        Raises ValueError for what is no settings at all, or a wrong number.
        """
        if raw is None:
            return self
        if not isinstance(raw, dict):
            raise ValueError(f"expected a dict of settings, got {raw!r}")
        names = {field.name for field in dataclasses.fields(self)}
        return dataclasses.replace(self, **{name: value for name, value in raw.items() if name in names})

    @property
    def cache_limits(self) -> CacheLimits:
        return CacheLimits(
            total_bytes=int(self.cache_total_mb * BYTES_PER_MB),
            count=int(self.cache_count),
            age_seconds=self.cache_age_secs,
            free_disk_bytes=int(self.cache_free_disk_mb * BYTES_PER_MB),
        )


DEFAULT_TUNING = Tuning()
