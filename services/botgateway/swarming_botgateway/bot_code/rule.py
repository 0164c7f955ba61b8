"""Which bots are told to update themselves. Pure."""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any


class BotUpdates(StrEnum):
    """Whose code this installation looks after."""

    AUTO = "auto"
    """Bots that once got their code here, and those that say of themselves that they update. A bot that was
    brought from elsewhere works as it is."""

    ALWAYS = "always"
    """Upstream's rule: every bot with another version."""

    OFF = "off"
    """Nobody's."""


def update_for(
    version: str, state: Mapping[str, Any], current: str | None, replaced: Collection[str], rule: BotUpdates
) -> str | None:
    """The version that a bot of this version is to update to; None if it is to go on as it is.

    `current` is what bots should run and `replaced` are the versions that it takes the place of. A bot may say in
    `state.bot_code` whether it `updates` at all, and which version it `rejected`: one that it tried and that did not
    work on its machine.
    """
    if current is None or version == current or rule is BotUpdates.OFF:
        return None
    word = state.get("bot_code")
    word = word if isinstance(word, dict) else {}
    if word.get("updates") is False or word.get("rejected") == current:
        return None
    if rule is BotUpdates.ALWAYS or word.get("updates") is True or version in replaced:
        return current
    return None
