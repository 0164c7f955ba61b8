"""Settings of the scheduler."""

from dataclasses import dataclass, field

from pydantic import Field

from swarming_common.pools.port import MAX_TASK_RETRIES, FixedPools, Pools
from swarming_common.settings import BOT_DEATH_TIMEOUT_SECS, CommonSettings

DEFAULT_PORT = 8082


class SchedulerSettings(CommonSettings):
    """Waits of the scheduler, in seconds; tests lower them."""

    scheduler_port: int = DEFAULT_PORT

    confirm_seconds: float = 70.0
    """A run that was offered so long ago and never confirmed is withdrawn: a bot reads for at most 60 s."""

    silence_margin_seconds: float = 30.0
    """Beyond a task's ping tolerance, so that our own bot has stopped the run by itself before it is given away."""

    task_retries: int = Field(default=1, ge=0, le=MAX_TASK_RETRIES)
    """How often a task is tried again after its bot was lost, where its pool says nothing else."""

    reusable_task_age_secs: float = Field(default=7 * 24 * 3600.0, ge=0)
    """How old a result may be that an idempotent task takes instead of running; 0 reuses none."""

    bots_seconds: float = Field(default=10.0, gt=0)
    """How often the table of bots is read, to know which tasks could run at all."""

    feed_seconds: float = 5.0
    """How often the tables are read for what no hint told."""

    costs_seconds: float = Field(default=60.0, gt=0)
    """How often it is written what runs have cost so far. Nobody needs it sooner, and it is a row for each run."""

    member_seconds: float = 2.0
    """A scheduler that was not heard for so long is thought gone: it beats every second. The locks have the last word,
    so who is wrong about it only tries them in vain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the decisions depend on; seconds."""

    confirm_seconds: float
    silence_margin_seconds: float
    bot_death_timeout_secs: float = BOT_DEATH_TIMEOUT_SECS
    reusable_task_age_secs: float = 0.0
    pools: Pools = field(default_factory=FixedPools)

    @classmethod
    def of(cls, settings: SchedulerSettings, pools: Pools) -> "Rules":
        """Those of the settings."""
        return cls(
            confirm_seconds=settings.confirm_seconds,
            silence_margin_seconds=settings.silence_margin_seconds,
            bot_death_timeout_secs=settings.bot_death_timeout_secs,
            reusable_task_age_secs=settings.reusable_task_age_secs,
            pools=pools,
        )
