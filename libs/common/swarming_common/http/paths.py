"""Which service answers which path: for the standalone process, and for whoever writes a proxy's configuration."""

PATHS: tuple[tuple[str, str], ...] = (
    ("/swarming/api/v1/bot/", "botgateway"),
    ("/server_ping", "botgateway"),
    ("/bot_code", "botgateway"),
    ("/get_slave_code", "botgateway"),
    ("/bootstrap", "botgateway"),
    ("/api/swarming/v1/stats/", "stats"),
)
"""Path prefixes and the service behind them; the first that fits counts."""

EVERYTHING_ELSE = "frontend"


def service_of(path: str) -> str:
    """The service that answers this path."""
    return next((service for prefix, service in PATHS if path.startswith(prefix)), EVERYTHING_ELSE)
