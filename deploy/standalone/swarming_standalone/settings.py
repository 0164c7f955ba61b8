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


EVERY_INTERFACE = ("0.0.0.0", "::")


def url_of(host: str, port: int) -> str:
    """The address of an HTTP server; an IPv6 address stands in brackets."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def local_url(host: str, port: int) -> str:
    """The address at which this machine finds a server that listens on this host."""
    loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return url_of(loopback.get(host, host), port)
