"""Quarantine a bot that fails at one run after the other: it would eat task after task.

Only what bots report of themselves counts. A machine that vanishes takes its run with it and is no reason: machines
that are rented by the minute do that all day.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from swarming_botgateway.failures import in_a_row
from swarming_botgateway.store.bots import known_bot
from swarming_botgateway.store.failures import cleared_at, newest_ends, write_auto_quarantine
from swarming_botgateway.usecases.keep_standing import KeepStanding
from swarming_common.database.port import Database
from swarming_common.model.bot_restrictions import BY_SERVER, Restriction

log = structlog.get_logger(__name__)

SHOWN_MESSAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFailures:
    """To be called after each internal failure that was stored."""

    database: Database
    standing: KeepStanding
    most_failures: int
    """So many in a row; 0 quarantines nobody."""
    quarantine_secs: float
    """0 leaves the end to a person."""

    async def __call__(self, bot_id: str, now: datetime) -> None:
        """Repeatable. Raises DatabaseAway."""
        if self.most_failures and await self.database.write(lambda connection: self._judge(connection, bot_id, now)):
            log.warning("bot_fails_too_often", bot_id=bot_id, failures=self.most_failures)
            await self.standing.look(bot_id, now)

    def _judge(self, connection: Connection, bot_id: str, now: datetime) -> bool:
        failures = in_a_row(newest_ends(connection, bot_id), cleared_at(connection, bot_id))
        known = known_bot(connection, bot_id)
        if len(failures) < self.most_failures or known is None:
            return False
        earlier = known.restrictions.auto_quarantine
        if earlier is not None and earlier.holds_at(now) and not known.restrictions.is_cleared:
            return False
        reason = f"{len(failures)} internal failures in a row; the last: {(failures[0].message or '')[:SHOWN_MESSAGE]}"
        until = now + timedelta(seconds=self.quarantine_secs) if self.quarantine_secs else None
        write_auto_quarantine(connection, bot_id, Restriction(reason=reason, by=BY_SERVER, since=now, until=until))
        return True
