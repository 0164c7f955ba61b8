"""Settings of the bot gateway."""

from typing import Self

from pydantic import Field, model_validator

from swarming_botgateway.bot_code.rule import BotUpdates
from swarming_botgateway.restart import RestartRules
from swarming_common.model.output import LARGEST_CHUNK_BYTES
from swarming_common.settings import CommonSettings, InvalidSetting

DEFAULT_PORT = 8083

HOLD_SECONDS = 45.0
"""A bot reads for at most 60 s; this leaves room for a slow network and a busy proxy."""

LONGEST_HOLD_SECONDS = 55.0
"""With more, upstream's bot gives its polls up before they are answered."""

MAX_POLL_BODY_BYTES = 512 * 1024
"""Polls are 3 to 10 kB; a machine with very many disks or caches stays below this by far."""

GROWN_FACTOR = 8
"""How far over its limit a handshake or a poll is still read: its bot is quarantined, but can be mended."""


class BotGatewaySettings(CommonSettings):
    """What an installation may choose; each field is read from `SWARMING_<FIELD>`."""

    botgateway_port: int = DEFAULT_PORT

    hold_seconds: float = Field(default=HOLD_SECONDS, ge=0, le=LONGEST_HOLD_SECONDS)
    """How long a poll is held open before it is answered `sleep`; tests lower it."""

    upstream_hold_seconds: float = Field(default=10.0, ge=0, le=LONGEST_HOLD_SECONDS)
    """The same for bots that are not our own. Upstream's bot obeys SIGTERM only when its poll is answered, and
    `docker stop` and systemd kill it after 10 and 90 s; our own bot leaves its poll at once."""

    parting_seconds: float = Field(default=0.1, ge=0, le=1)
    """How long a poll stays open after its offer was taken back: a run that was given just then still reaches it."""

    unfinished_hold_seconds: float = Field(default=5.0, ge=0, le=LONGEST_HOLD_SECONDS)
    """The same for a bot that still has a run: it is offered to that run's shard only, so look again soon whether the
    run is over."""

    lost_run_grace_seconds: float = Field(default=15.0, ge=0)
    """How long a bot may poll although a run that it confirmed has not ended, before the run counts as lost: its final
    update may still be under way at another gateway."""

    max_sleep_seconds: float = Field(default=60.0, gt=0)
    """The longest sleep of a bot that may not work (quarantined, in maintenance)."""

    bot_calls_per_second: float = Field(default=20.0, gt=0)
    """How often one bot is answered at once for long; what it asks beyond that is answered later (slow_down.py)."""

    bot_calls_burst: int = Field(default=500, ge=1)
    """How many calls a bot may make before that: 100 MiB of output are 420 updates."""

    max_poll_body_bytes: int = Field(default=MAX_POLL_BODY_BYTES, gt=0)
    """The largest body of an event, and of a handshake or a poll that is taken as it is."""

    max_output_chunk_bytes: int = Field(default=LARGEST_CHUNK_BYTES, gt=0, le=LARGEST_CHUNK_BYTES)
    """The most output that one update may carry, before base64."""

    seen_seconds: float = Field(default=3.0, gt=0)
    """How often what was seen of bots (last contact, state) is written, packed."""

    state_seconds: float = Field(default=60.0, ge=0)
    """How often at most the state of one bot is written: it changes a little with each poll."""

    heard_seconds: float = Field(default=2.0, gt=0)
    """How often the shards are told which runs were heard of."""

    bot_commands_seconds: float = Field(default=5.0, gt=0)
    """How often the table of commands is read for what no hint told."""

    bot_failures: int = Field(default=5, ge=0)
    """After so many internal failures in a row a bot is quarantined; 0 means never."""

    bot_failures_quarantine_secs: float = Field(default=3600.0, ge=0)
    """For how long; then one more failure quarantines it again. 0 means until a person ends it."""

    bot_restart_secs: float = Field(default=0.0, ge=0)
    """After how long a bot's process is told to restart, give or take a fifth; 0 means never."""

    host_reboot_secs: float = Field(default=0.0, ge=0)
    """The same of rebooting a bot's machine, which not every machine survives: 0, never, unless somebody chose it."""

    bot_updates: BotUpdates = BotUpdates.AUTO
    """Which bots are told to update themselves: `auto`, `always` or `off` (bot_code/rule.py)."""

    bot_code_seconds: float = Field(default=5.0, gt=0)
    """How often the uploads are read for what no hint told."""

    bots_have_cipd: bool = False
    """Whether upstream's bots reach a CIPD service. If not, they are sent a hook with which they need none."""

    enrolment_token_required: bool = False
    """Whether `/bootstrap` and `/bot_code` want a token; one that is given is checked in any case."""

    @model_validator(mode="after")
    def _waiting_bots_live(self) -> Self:
        """Of a bot whose poll is held nothing is heard meanwhile."""
        longest = self.hold_seconds + self.seen_seconds
        if self.bot_death_timeout_secs <= longest:
            expected = (
                f"expected more than the {longest:g} s between two words of an idle bot (HOLD_SECONDS and SEEN_SECONDS)"
            )
            raise InvalidSetting(f"SWARMING_BOT_DEATH_TIMEOUT_SECS: {expected}, got {self.bot_death_timeout_secs}")
        return self

    @property
    def restart_rules(self) -> RestartRules:
        """When bots are told to restart."""
        return RestartRules(bot_secs=self.bot_restart_secs, host_secs=self.host_reboot_secs)

    @property
    def max_grown_body_bytes(self) -> int:
        """The largest body of a handshake, a poll or an event that is read at all (api/grown.py)."""
        return self.max_poll_body_bytes * GROWN_FACTOR

    @property
    def max_update_body_bytes(self) -> int:
        """The largest body of an update: a chunk in base64, what a final update says besides, and the next poll."""
        return self.max_output_chunk_bytes * 4 // 3 + 512 * 1024 + self.max_poll_body_bytes
