"""Settings of the standalone process."""

from pathlib import Path

from swarming_botgateway.settings import BotGatewaySettings
from swarming_frontend.settings import FrontendSettings
from swarming_scheduler.settings import SchedulerSettings
from swarming_stats.settings import StatsSettings

DEFAULT_PORT = 8080
DEFAULT_DATA = Path("data")


class StandaloneSettings(FrontendSettings, SchedulerSettings, BotGatewaySettings, StatsSettings):
    """Those of all four services, from the same environment."""
