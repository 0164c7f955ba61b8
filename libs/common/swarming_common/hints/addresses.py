"""Who reads hints: the addresses of mailboxes."""


def shard(number: int) -> str:
    """The scheduler that owns this shard; during a hand-over, two read it."""
    return f"shard.{number}"


def gateway(gateway_id: str) -> str:
    """One gateway process."""
    return f"gateway.{gateway_id}"


def frontend(frontend_id: str) -> str:
    """One frontend process."""
    return f"frontend.{frontend_id}"


ALL_FRONTENDS = "frontends"
"""Every frontend process."""

ALL_GATEWAYS = "gateways"
"""Every gateway process."""

ALL_SCHEDULERS = "schedulers"
"""Every scheduler process."""
