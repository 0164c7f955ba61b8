"""When a bot is to restart, or its machine to reboot. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from swarming_botgateway.bot_facts import AskedRestart
from swarming_botgateway.sessions import Session

JITTER = 0.2
"""A fleet that was started together must not restart together (2015's share)."""

FAILED_UPDATE = "Failed to self-update the bot"
"""Why an upstream bot keeps itself in quarantine after an update that failed. It drops the reason only at a restart."""


@dataclass(frozen=True, slots=True)
class RestartBot:
    """Start over with a handshake."""

    reason: str


@dataclass(frozen=True, slots=True)
class RebootHost:
    """Reboot the machine."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartRules:
    """After how many seconds, give or take a fifth; 0 means never."""

    bot_secs: float
    host_secs: float


def restart_for_hooks(state: Mapping[str, Any], version: int) -> RestartBot | None:
    """For a bot whose hooks come with the handshake and are this version now: whether it has to fetch them. It repeats
    in its state which version a handshake told it; one that does not is left alone."""
    told = state.get("bot_config")
    revision = told.get("revision") if isinstance(told, dict) else None
    if not isinstance(revision, str) or revision == str(version):
        return None
    return RestartBot(f"There are other hooks: version {version} instead of {revision}.")


def restart_ordered(session: Session, asked: AskedRestart | None, own_quarantine: str | None) -> RestartBot | None:
    """The restart that reaches a bot also while it may not work; None if there is none.

    Somebody asked for it, or the bot keeps itself in quarantine (`own_quarantine` is its reason) because an update
    failed. The second is for a bot that need not update any more: a poll is told an update before anything else.
    """
    if asked is not None and session.began < asked.since:
        return RestartBot(asked.reason)
    if own_quarantine is not None and FAILED_UPDATE in own_quarantine:
        return RestartBot("The bot quarantined itself because an update failed, and it need not update any more.")
    return None


def restart_due(
    bot_id: str, session: Session, state: Mapping[str, Any], rules: RestartRules
) -> RestartBot | RebootHost | None:
    """What is due by its age, None if nothing is. The moment differs between bots and stays the same for a process."""
    if _is_over(state.get("uptime"), rules.host_secs, bot_id):
        return RebootHost("The machine has been up for long enough.")
    if _is_over(state.get("running_time"), rules.bot_secs, f"{bot_id} {session}"):
        return RestartBot("The bot has run for long enough.")
    return None


def _is_over(seconds: object, period: float, seed: str) -> bool:
    if period <= 0 or isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return False
    share = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32
    return seconds >= period * (1 - JITTER + 2 * JITTER * share)


def restart_event_id(bot_id: str, session: Session, asked: AskedRestart | None) -> str:
    """One for each process and occasion, however often the bot has to be told."""
    since: datetime | None = None if asked is None else asked.since
    return hashlib.sha256(f"restart {bot_id} {session} {since}".encode()).hexdigest()[:32]
