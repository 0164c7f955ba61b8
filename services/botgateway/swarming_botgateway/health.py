"""May this bot work? Quarantine, maintenance, and how long to sleep meanwhile (bot-api.md section 4)."""

from collections.abc import Collection, Mapping
from typing import Any

from swarming_common.model.dimensions import is_valid_key, is_valid_value

REQUIRED_STATE = ("running_time", "sleep_streak")
SHORT_SLEEP_PROBABILITY = 0.05
SHORT_SLEEP_SECONDS = 1.0
LONGEST_STREAK = 10


def quarantine_reason(body: Mapping[str, Any], required_keys: Collection[str]) -> str | None:
    """Why the bot that says this may not work; None if it may."""
    dimensions, state = body.get("dimensions"), body.get("state")
    return (
        _own_word(dimensions)
        or _own_word(state)
        or _missing_keys(body, required_keys)
        or _wrong_state(state)
        or _wrong_dimensions(dimensions)
    )


def maintenance_reason(state: object) -> str | None:
    """Why the bot is in maintenance, in its own words; None if it is not."""
    word = state.get("maintenance") if isinstance(state, dict) else None
    return _text(word) if word else None


def usable_dimensions(raw: object) -> dict[str, list[str]]:
    """What can be taken as dimensions, whatever the bot sent."""
    if not isinstance(raw, dict):
        return {}
    return {key: values for key, values in raw.items() if _wrong_dimension(key, values) is None}


def sleep_seconds(state: Mapping[str, Any], longest: float, chance: float) -> float:
    """Upstream's rule: longer with each idle poll, now and then a short one; `chance` is random in [0, 1)."""
    if chance < SHORT_SLEEP_PROBABILITY:
        return SHORT_SLEEP_SECONDS
    streak = state.get("sleep_streak")
    streak = streak if isinstance(streak, int | float) and streak > 0 else 0
    return float(min(longest, 1.5 ** (min(streak, LONGEST_STREAK) + 1)))


def _own_word(part: object) -> str | None:
    word = part.get("quarantined") if isinstance(part, dict) else None
    return _text(word) if word else None


def _text(word: object) -> str:
    if isinstance(word, list):
        return ", ".join(str(one) for one in word)
    return word if isinstance(word, str) else "yes"


def _missing_keys(body: Mapping[str, Any], required: Collection[str]) -> str | None:
    if missing := [key for key in required if body.get(key) is None]:
        return f"{missing[0]}: expected a value"
    if not isinstance(body.get("version"), str):
        return "version: expected a string"
    return None


def _wrong_state(state: object) -> str | None:
    if not isinstance(state, dict):
        return "state: expected an object"
    for key in REQUIRED_STATE:
        if state.get(key) is None:
            return f"state.{key}: expected a value"
    return None


def _wrong_dimensions(dimensions: object) -> str | None:
    if not isinstance(dimensions, dict):
        return "dimensions: expected an object of lists of strings"
    for key, values in dimensions.items():
        if wrong := _wrong_dimension(key, values):
            return wrong
    if len(dimensions.get("id", ())) != 1:
        return "dimensions.id: expected exactly one value"
    if not dimensions.get("pool"):
        return "dimensions.pool: expected at least one value"
    return None


def _wrong_dimension(key: str, values: object) -> str | None:
    if not is_valid_key(key):
        return f"dimensions: expected keys of 1 to 64 letters, digits, '-', '_' and '.', got {key!r}"
    where = f"dimensions.{key}"
    if not isinstance(values, list) or not values:
        return f"{where}: expected a list of at least one string"
    if not all(isinstance(value, str) and is_valid_value(value) for value in values):
        return f"{where}: expected strings of 1 to 256 characters without spaces around them"
    if len(set(values)) != len(values):
        return f"{where}: expected each value once"
    if key in ("id", "pool") and any(":" in value for value in values):
        return f"{where}: expected no ':' in it"
    return None
