"""What the decisions depend on."""

from dataclasses import dataclass, field

from swarming_common.pools.port import FixedPools, Pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The settings that decisions ask for; seconds."""

    confirm_seconds: float
    silence_margin_seconds: float
    bot_death_timeout_secs: float
    reusable_task_age_secs: float = 0.0
    pools: Pools = field(default_factory=FixedPools)
