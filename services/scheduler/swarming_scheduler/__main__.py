"""Runs a scheduler process."""

from swarming_common.process import main
from swarming_scheduler.bootstrap import build
from swarming_scheduler.settings import SchedulerSettings


def run() -> None:
    """With settings from the environment."""
    main("scheduler", SchedulerSettings, lambda settings: settings.scheduler_port, build)


if __name__ == "__main__":
    run()
