"""What is known of a bot: what it says of itself, what people set of it, and what it has in hand. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarming_botgateway.sessions import Session
from swarming_common.model.bot_restrictions import RestrictionFacts
from swarming_common.model.task_id import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFacts:
    """What a bot says of itself that others act on: written at once when it changes."""

    dimensions: Mapping[str, Sequence[str]]
    version: str
    quarantined: str | None
    maintenance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedRun:
    """A run that the scheduler counts as running on this bot and whose end the bot has not reported."""

    run: RunId
    shard: int
    is_confirmed: bool
    confirmed_by: Session | None
    """The session whose update confirmed it, if that update said so."""
    is_termination: bool = False
    """It is no work but the order to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedRestart:
    """Somebody asked that each process of the bot that began before `since` restarts."""

    reason: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownBot:
    """What a poll needs of a bot's row and of what people set, and its unfinished runs."""

    session: Session | None
    facts: BotFacts
    restrictions: RestrictionFacts
    standing: str
    """What the bot's history says last of who keeps it from work (standing.py)."""
    has_shut_down: bool
    restart: AskedRestart | None
    unfinished: tuple[UnfinishedRun, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenBot:
    """What is written of a bot from time to time; `state` is None when there is nothing new to write."""

    bot_id: str
    last_seen: datetime
    state: Mapping[str, Any] | None
