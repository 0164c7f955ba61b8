"""What keeps a bot from work: quarantine, because it is unfit, and maintenance, because somebody works on it."""

from dataclasses import dataclass
from datetime import datetime

BY_BOT = "bot"
"""The bot says so itself."""

BY_SERVER = "swarming"
"""It was decided automatically."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restriction:
    """One reason to give a bot no tasks. `by` is BY_BOT, BY_SERVER, or the identity of a person."""

    reason: str
    by: str
    since: datetime | None
    until: datetime | None = None
    """When it ends by itself; None if somebody must end it."""

    def holds_at(self, now: datetime) -> bool:
        """Whether it has not ended by itself."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Restrictions:
    """What keeps a bot from work at some moment; of several quarantines the one that counts most."""

    quarantine: Restriction | None = None
    maintenance: Restriction | None = None

    @property
    def may_work(self) -> bool:
        """Whether nothing does."""
        return self.quarantine is None and self.maintenance is None

    @property
    def until(self) -> datetime | None:
        """When the first of them ends by itself, if any does."""
        ends = [one.until for one in (self.quarantine, self.maintenance) if one is not None and one.until is not None]
        return min(ends, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RestrictionFacts:
    """All that was said: by the bot itself, by people, and by the gateways after failures."""

    own_quarantine: Restriction | None = None
    own_maintenance: Restriction | None = None
    set_quarantine: Restriction | None = None
    set_maintenance: Restriction | None = None
    auto_quarantine: Restriction | None = None
    cleared_ts: datetime | None = None
    """An automatic quarantine that began before is over: a person said so."""

    def at(self, now: datetime) -> Restrictions:
        """What of it holds. A person's word is shown before the bot's own, and that before an automatic decision; none
        of them ends another."""
        automatic = None if self.is_cleared else self.auto_quarantine
        return Restrictions(
            quarantine=_first((self.set_quarantine, self.own_quarantine, automatic), now),
            maintenance=_first((self.set_maintenance, self.own_maintenance), now),
        )

    @property
    def is_cleared(self) -> bool:
        """Whether a person ended the automatic quarantine."""
        began = None if self.auto_quarantine is None else self.auto_quarantine.since
        return began is not None and self.cleared_ts is not None and began <= self.cleared_ts


def _first(said: tuple[Restriction | None, ...], now: datetime) -> Restriction | None:
    return next((one for one in said if one is not None and one.holds_at(now)), None)
