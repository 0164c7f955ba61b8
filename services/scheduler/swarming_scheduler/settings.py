"""Settings of the scheduler."""

from pydantic import Field

from swarming_common.pools.port import MAX_TASK_RETRIES, Pools
from swarming_common.settings import CommonSettings
from swarming_scheduler.rules import Rules

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

    def rules(self, pools: Pools) -> Rules:
        """What of it the decisions depend on, with the pools' own settings."""
        return Rules(
            confirm_seconds=self.confirm_seconds,
            silence_margin_seconds=self.silence_margin_seconds,
            bot_death_timeout_secs=self.bot_death_timeout_secs,
            reusable_task_age_secs=self.reusable_task_age_secs,
            pools=pools,
        )
