"""How a bot stands: what keeps it from work, and what of that is new to its history. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from swarming_botgateway.bot_facts import BotFacts
from swarming_common.model.bot_restrictions import BY_BOT, Restriction, RestrictionFacts, Restrictions

UNRESTRICTED = ""

_EVENTS = {
    "quarantine": ("bot_quarantined", "bot_unquarantined"),
    "maintenance": ("bot_maintenance", "bot_maintenance_ended"),
}


def with_own_word(known: RestrictionFacts, facts: BotFacts, now: datetime) -> RestrictionFacts:
    """What is known, with what the bot says of itself now; what it goes on saying began when it first said it."""
    return replace(
        known,
        own_quarantine=_own(known.own_quarantine, facts.quarantined, now),
        own_maintenance=_own(known.own_maintenance, facts.maintenance, now),
    )


def standing_text(restrictions: Restrictions) -> str:
    """Who keeps the bot from work, and since when. The wording of the reason is no part: a bot with a full disk
    words it differently each minute."""
    who = {
        name: [one.by, None if one.since is None else one.since.isoformat()]
        for name, one in (("quarantine", restrictions.quarantine), ("maintenance", restrictions.maintenance))
        if one is not None
    }
    return json.dumps(who) if who else UNRESTRICTED


@dataclass(frozen=True, slots=True)
class StandingNews:
    """A restriction of a bot began or ended."""

    event_type: str
    message: str
    details: Mapping[str, str]


def news(before: str, restrictions: Restrictions) -> list[StandingNews]:
    """What leads from what was known to what holds now."""
    old = json.loads(before) if before else {}
    new = {"quarantine": restrictions.quarantine, "maintenance": restrictions.maintenance}
    happened = []
    for name, (began, ended) in _EVENTS.items():
        one = new[name]
        if one is None and name in old:
            set_by = old[name][0]
            happened.append(StandingNews(ended, f"no longer by {set_by}", {"set_by": set_by}))
        elif one is not None and old.get(name) != json.loads(standing_text(restrictions))[name]:
            happened.append(StandingNews(began, wording(one), _details(one)))
    return happened


def wording(restriction: Restriction) -> str:
    """The reason, by whom, and until when."""
    until = "" if restriction.until is None else f", until {restriction.until:%Y-%m-%d %H:%M:%S} UTC"
    by = "" if restriction.by == BY_BOT else f" (by {restriction.by}{until})"
    return restriction.reason + by


def _details(restriction: Restriction) -> Mapping[str, str]:
    until = {} if restriction.until is None else {"until": restriction.until.isoformat()}
    return {"reason": restriction.reason, "by": restriction.by} | until


def _own(known: Restriction | None, reason: str | None, now: datetime) -> Restriction | None:
    if reason is None:
        return None
    since = now if known is None else known.since
    return Restriction(reason=reason, by=BY_BOT, since=since)
