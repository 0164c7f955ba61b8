"""Routing keys: which patterns they match, and which cannot travel."""

from functools import lru_cache

from swarming_common.errors import SwarmingError

MAX_KEY_BYTES = 255
"""The limit of AMQP; the in-process bus keeps to it, so that a key that cannot travel fails in a unit test."""


class KeyTooLong(SwarmingError):
    """A routing key is longer than the bus can carry."""


def check_key(key: str) -> None:
    """Raises KeyTooLong for a key over 255 bytes."""
    if is_too_long(key):
        raise KeyTooLong(f"routing key of more than {MAX_KEY_BYTES} bytes: {key}")


def is_too_long(key: str) -> bool:
    """Whether a key is over 255 bytes."""
    return len(key) > MAX_KEY_BYTES or len(key.encode()) > MAX_KEY_BYTES


@lru_cache(maxsize=4096)
def matches(pattern: str, key: str) -> bool:
    """Whether a topic pattern matches: `*` stands for one word, `#` for any number of them, none included."""
    return _words_match(pattern.split("."), key.split("."))


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    head, *rest = pattern
    if head == "#":
        return any(_words_match(rest, words[skipped:]) for skipped in range(len(words) + 1))
    return bool(words) and head in ("*", words[0]) and _words_match(rest, words[1:])
