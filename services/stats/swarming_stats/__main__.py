"""Runs a statistics process."""

from swarming_common.process import main
from swarming_stats.bootstrap import build
from swarming_stats.settings import StatsSettings


def run() -> None:
    """With settings from the environment."""
    settings = StatsSettings()
    main("stats", settings, settings.stats_port, build(settings))


if __name__ == "__main__":
    run()
