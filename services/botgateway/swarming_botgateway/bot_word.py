"""What a bot says of itself in a handshake, a poll or an event: read leniently, a broken bot must be answered too."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from swarming_botgateway.bot_facts import BotFacts
from swarming_botgateway.health import maintenance_reason, quarantine_reason, usable_dimensions
from swarming_botgateway.sessions import Session, parse_session
from swarming_botgateway.storable import storable_text
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
    def version(self) -> str:
        """The version of the code that it runs."""
        return self.facts.version

    @property
    def may_work(self) -> bool:
        """Whether the bot may be given a task, as far as it says itself."""
        return self.facts.quarantined is None and self.facts.maintenance is None

    @property
    def pools(self) -> Collection[str]:
        """The pools that the bot is in."""
        return self.facts.dimensions.get("pool", ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Nameless:
    """The word of a bot so broken that nothing says which it is. New code may mend it; there is nothing else for it."""

    version: str
    state: Mapping[str, Any]
    refusal: InvalidInput
    """What was expected."""


def read_word(body: Mapping[str, Any], required_keys: Collection[str], *, sender: str | None) -> BotWord | Nameless:
    """Whatever is wrong with it becomes a reason for quarantine. `sender` is the bot's id according to the request's
    header: it is believed where the dimensions have no usable one."""
    try:
        return read_bot_word(body, required_keys, sender=sender)
    except InvalidInput as refusal:
        return Nameless(version=_version(body), state=_state(body), refusal=refusal)


def read_bot_word(body: Mapping[str, Any], required_keys: Collection[str], *, sender: str | None = None) -> BotWord:
    """The same of a bot that has to be named. Raises InvalidInput if it is not."""
    state = body.get("state")
    quarantined = quarantine_reason(body, required_keys)
    maintenance = maintenance_reason(state)
    return BotWord(
        bot_id=_bot_id(body, sender),
        facts=BotFacts(
            dimensions=usable_dimensions(body.get("dimensions")),
            version=_version(body),
            quarantined=quarantined and storable_text(quarantined)[:MAX_REASON_LENGTH],
            maintenance=maintenance and storable_text(maintenance)[:MAX_REASON_LENGTH],
        ),
        state=_state(body),
        session=parse_session(body.get("session")),
    )


def _version(body: Mapping[str, Any]) -> str:
    version = body.get("version")
    return storable_text(version)[:MAX_VERSION_LENGTH] if isinstance(version, str) else ""


def _state(body: Mapping[str, Any]) -> Mapping[str, Any]:
    state = body.get("state")
    return state if isinstance(state, dict) else {}


def _bot_id(body: Mapping[str, Any], sender: str | None) -> str:
    dimensions = body.get("dimensions")
    ids = dimensions.get("id") if isinstance(dimensions, dict) else None
    bot_id = ids[0] if isinstance(ids, list) and len(ids) == 1 else None
    for candidate in (bot_id, sender):
        if isinstance(candidate, str) and is_valid_value(candidate) and ":" not in candidate:
            return candidate
    if not isinstance(dimensions, dict):
        raise InvalidInput("dimensions", "expected an object of lists of strings")
    raise InvalidInput(
        "dimensions.id", "expected a list of one string of 1 to 256 characters without ':' and outer spaces"
    )
