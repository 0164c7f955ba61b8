"""Settings of the bot gateway."""

from pydantic import Field

from swarming_common.settings import CommonSettings

DEFAULT_PORT = 8083

HOLD_SECONDS = 45.0
"""A bot reads for at most 60 s; this leaves room for a slow network and a busy proxy."""

MAX_POLL_BODY_BYTES = 512 * 1024
"""Polls are 3 to 10 kB; a machine with very many disks or caches stays below this by far."""

MAX_OUTPUT_CHUNK_BYTES = 1_000_000
"""Four times what a bot sends in one update."""


class BotGatewaySettings(CommonSettings):
    """What an installation may choose; each field is read from `SWARMING_<FIELD>`."""

    botgateway_port: int = DEFAULT_PORT

    hold_seconds: float = Field(default=HOLD_SECONDS, ge=0)
    """How long a poll is held open before it is answered `sleep`; tests lower it."""

    unfinished_hold_seconds: float = Field(default=5.0, ge=0)
    """The same for a bot that still has a run: it is offered to that run's shard only, so look again soon whether the
    run is over."""

    max_sleep_seconds: float = Field(default=60.0, gt=0)
    """The longest sleep of a bot that may not work (quarantined, in maintenance)."""

    max_poll_body_bytes: int = Field(default=MAX_POLL_BODY_BYTES, gt=0)
    """The largest body of a handshake, a poll or an event."""

    max_output_chunk_bytes: int = Field(default=MAX_OUTPUT_CHUNK_BYTES, gt=0)
    """The most output that one update may carry, before base64."""

    seen_seconds: float = Field(default=3.0, gt=0)
    """How often what was seen of bots (last contact, state) is written, packed."""

    state_seconds: float = Field(default=60.0, ge=0)
    """How often at most the state of one bot is written: it changes a little with each poll."""

    heard_seconds: float = Field(default=2.0, gt=0)
    """How often the shards are told which runs were heard of."""

    @property
    def max_update_body_bytes(self) -> int:
        """The largest body of an update: a chunk in base64, and what a final update says besides."""
        return self.max_output_chunk_bytes * 4 // 3 + 512 * 1024
