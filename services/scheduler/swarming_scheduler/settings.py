"""Settings of the scheduler."""

from dataclasses import dataclass

from swarming_common.settings import CommonSettings

DEFAULT_PORT = 8082


class SchedulerSettings(CommonSettings):
    """Waits of the scheduler, in seconds; tests lower them."""

    scheduler_port: int = DEFAULT_PORT

    confirm_seconds: float = 70.0
    """A run that was offered so long ago and never confirmed is withdrawn: a bot reads for at most 60 s."""

    silence_margin_seconds: float = 30.0
    """Beyond a task's ping tolerance, so that our own bot has stopped the run by itself before it is given away."""

    task_retries: int = 1
    """How often a task is tried again after its bot was lost; a pool will be able to say otherwise."""

    feed_seconds: float = 5.0
    """How often the tables are read for what no hint told."""

    member_seconds: float = 3.0
    """A scheduler that was not heard for so long is thought gone; its locks have the last word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the decisions depend on; seconds."""

    confirm_seconds: float
    silence_margin_seconds: float
    task_retries: int

    @classmethod
    def of(cls, settings: SchedulerSettings) -> "Rules":
        """Those of the settings."""
        return cls(
            confirm_seconds=settings.confirm_seconds,
            silence_margin_seconds=settings.silence_margin_seconds,
            task_retries=settings.task_retries,
        )
