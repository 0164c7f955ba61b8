"""Who reads hints: the addresses of mailboxes, and the ids that name a gateway."""


def shard(number: int) -> str:
    """The scheduler that owns this shard; during a hand-over, two read it."""
    return f"shard.{number}"


def gateway(gateway_id: str) -> str:
    """One gateway process."""
    return f"gateway.{gateway_id}"


def new_offer_id(gateway_id: str, number: int) -> str:
    """The id of a gateway's offer; it names the gateway."""
    return f"{gateway_id}-{number}"


def gateway_of_offer(offer_id: str) -> str:
    """The gateway that made an offer with this id."""
    return offer_id.rpartition("-")[0]


def frontend(frontend_id: str) -> str:
    """One frontend process."""
    return f"frontend.{frontend_id}"


ALL_FRONTENDS = "frontends"
"""Every frontend process."""

ALL_GATEWAYS = "gateways"
"""Every gateway process."""

ALL_SCHEDULERS = "schedulers"
"""Every scheduler process."""
