"""Settings of the statistics service."""

from swarming_common.settings import CommonSettings

DEFAULT_PORT = 8084


class StatsSettings(CommonSettings):
    """Where it listens."""

    stats_port: int = DEFAULT_PORT
