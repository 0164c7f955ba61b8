"""What a bot says of itself in a handshake, a poll or an event: read leniently, a broken bot must be answered too."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from swarming_botgateway.health import maintenance_reason, quarantine_reason, usable_dimensions
from swarming_botgateway.sessions import Session, parse_session
from swarming_botgateway.storable import storable_text
from swarming_botgateway.store.bots import BotFacts
from swarming_common.errors import InvalidInput
from swarming_common.model.dimensions import is_valid_value

MAX_VERSION_LENGTH = 128
"""A version is a hash of 64 digits; what is longer comes from a broken bot and is cut."""

MAX_REASON_LENGTH = 20_000
"""Room for a traceback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotWord:
    """All of it is storable but `state`, which is as the bot sent it."""

    bot_id: str
    facts: BotFacts
    state: Mapping[str, Any]
    session: Session | None

    @property
    def may_work(self) -> bool:
        """Whether the bot may be given a task, as far as it says itself."""
        return self.facts.quarantined is None and self.facts.maintenance is None

    @property
    def pools(self) -> Collection[str]:
        """The pools that the bot is in."""
        return self.facts.dimensions.get("pool", ())


def read_bot_word(body: Mapping[str, Any], known_keys: Collection[str], required_keys: Collection[str]) -> BotWord:
    """Whatever is wrong with it becomes a reason for quarantine. Raises InvalidInput only if it names no bot."""
    state, version = body.get("state"), body.get("version")
    quarantined = quarantine_reason(body, known_keys, required_keys)
    maintenance = maintenance_reason(state)
    return BotWord(
        bot_id=_bot_id(body),
        facts=BotFacts(
            dimensions=usable_dimensions(body.get("dimensions")),
            version=storable_text(version)[:MAX_VERSION_LENGTH] if isinstance(version, str) else "",
            quarantined=quarantined and storable_text(quarantined)[:MAX_REASON_LENGTH],
            maintenance=maintenance and storable_text(maintenance)[:MAX_REASON_LENGTH],
        ),
        state=state if isinstance(state, dict) else {},
        session=parse_session(body.get("session")),
    )


def _bot_id(body: Mapping[str, Any]) -> str:
    dimensions = body.get("dimensions")
    if not isinstance(dimensions, dict):
        raise InvalidInput("dimensions", "expected an object of lists of strings")
    ids = dimensions.get("id")
    bot_id = ids[0] if isinstance(ids, list) and len(ids) == 1 else None
    if not isinstance(bot_id, str) or not is_valid_value(bot_id) or ":" in bot_id:
        raise InvalidInput(
            "dimensions.id", "expected a list of one string of 1 to 256 characters without ':' and outer spaces"
        )
    return bot_id
