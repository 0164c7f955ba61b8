"""Runs a statistics process."""

from swarming_common.process import main
from swarming_stats.bootstrap import build
from swarming_stats.settings import StatsSettings


def run() -> None:
    """With settings from the environment."""
    main("stats", StatsSettings, lambda settings: settings.stats_port, build)


if __name__ == "__main__":
    run()
