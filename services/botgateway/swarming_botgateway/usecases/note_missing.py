"""Note in a bot's history that nothing is heard of it any more."""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from swarming_botgateway.history import event_of_facts
from swarming_botgateway.store.bot_events import BotEvent, write_bot_events
from swarming_botgateway.store.missing_bots import MISSING, MissingBot, bots_silent_since
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway

log = structlog.get_logger(__name__)

LOOK_SECONDS = 10.0


@dataclass(eq=False)
class NoteMissing:
    """Every gateway looks, and each silence is noted once. Silence counts only while somebody could listen: a gateway
    that has just started, or was without the database, first gives all bots time to be heard."""

    database: Database
    death_timeout: timedelta
    _listening_since: datetime | None = None

    async def look(self, now: datetime) -> None:
        """Note the bots that count as dead by now. Repeatable. Raises DatabaseAway."""
        if self._listening_since is None:
            self._listening_since = now
        try:
            if now - self._listening_since >= self.death_timeout:
                await self._note_those_silent_since(now - self.death_timeout, now)
        except DatabaseAway:
            self._listening_since = None
            raise

    async def _note_those_silent_since(self, since: datetime, now: datetime) -> None:
        missing = await self.database.read(lambda connection: bots_silent_since(connection, since))
        if missing:
            events = [_event(one, now) for one in missing]
            await self.database.write(lambda connection: write_bot_events(connection, events))
        for one in missing:
            log.info("bot_missing", bot_id=one.bot_id, last_seen=one.last_seen.isoformat())


def _event(missing: MissingBot, now: datetime) -> BotEvent:
    last_seen = missing.last_seen.isoformat()
    event_id = hashlib.sha256(f"missing {missing.bot_id} {last_seen}".encode()).hexdigest()[:32]
    event = event_of_facts(
        missing.bot_id, missing.facts, MISSING, f"not heard of since {last_seen}", now, event_id=event_id
    )
    return replace(event, details={"last_seen": last_seen})
