"""Dimensions: what a machine is, and what a task asks of it.

A bot has several values for a key. A task asks for key/value pairs and matches a bot that has, for every pair, the
value among its values for the key; a value may hold alternatives split by `|`, one of which suffices
(client-api-v1.md section 8).
"""

import re
from collections.abc import Iterable, Mapping

BotDimensions = Mapping[str, tuple[str, ...]]
Requirements = tuple[tuple[str, str], ...]
"""What a task asks for: sorted (key, value) pairs; a repeated key means all values."""

MAX_KEY_LENGTH = 64
MAX_VALUE_LENGTH = 256
_KEY = re.compile(r"[a-zA-Z\-_.][0-9a-zA-Z\-_.]*")


def requirements(pairs: Iterable[tuple[str, str]]) -> Requirements:
    """The pairs as the rest of Swarming compares them: sorted, each once."""
    return tuple(sorted(set(pairs)))


def alternatives(value: str) -> tuple[str, ...]:
    """The values of which one suffices."""
    return tuple(value.split("|"))


def pool_of(asked: Requirements) -> str | None:
    """The pool that is asked for."""
    return next((value for key, value in asked if key == "pool"), None)


def asked_ids(asked: Requirements) -> tuple[str, ...]:
    """The ids of which one is asked for, each once; none when any bot may do."""
    return next((tuple(dict.fromkeys(alternatives(value))) for key, value in asked if key == "id"), ())


def matches(asked: Requirements, bot: BotDimensions) -> bool:
    """Whether a bot has everything that a task asks for."""
    return all(any(one in bot.get(key, ()) for one in alternatives(value)) for key, value in asked)


def is_valid_key(key: str) -> bool:
    """Whether a dimension may have this key (bot-api.md section 7)."""
    return len(key) <= MAX_KEY_LENGTH and _KEY.fullmatch(key) is not None


def is_valid_value(value: str) -> bool:
    """Whether a bot may have this value."""
    return 0 < len(value) <= MAX_VALUE_LENGTH and value == value.strip() and "\0" not in value
