"""When bots were last heard of: gathered, and written together every few seconds."""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from swarming_botgateway.storable import storable
from swarming_botgateway.store.bots import SeenBot, write_seen_bots
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway

IDLE_BOTS_REMEMBERED = 20_000


class Presence:
    """What was seen of bots since the last `write`, and since when they are idle."""

    def __init__(self, database: Database, state_seconds: float) -> None:
        self._database = database
        self._state_seconds = state_seconds
        self._seen: dict[str, SeenBot] = {}
        self._state_written: OrderedDict[str, datetime] = OrderedDict()
        self._idle_since: OrderedDict[str, datetime] = OrderedDict()

    def see(self, bot_id: str, now: datetime, state: Mapping[str, Any] | None = None) -> None:
        """This bot spoke; `state` is what it said of itself, if it did."""
        if state is None and (before := self._seen.get(bot_id)) is not None:
            state = before.state
        self._seen[bot_id] = SeenBot(bot_id=bot_id, last_seen=now, state=state)

    def idle_since(self, bot_id: str, now: datetime) -> datetime:
        """Since when this bot waits for work, as far as this gateway knows."""
        since = self._idle_since.setdefault(bot_id, now)
        self._idle_since.move_to_end(bot_id)
        if len(self._idle_since) > IDLE_BOTS_REMEMBERED:
            self._idle_since.popitem(last=False)
        return since

    def is_busy(self, bot_id: str) -> None:
        """This bot has work."""
        self._idle_since.pop(bot_id, None)

    async def write(self) -> None:
        """Write what was seen; what could not be written is tried again the next time. Raises DatabaseAway."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        rows = [self._without_recent_state(one) for one in seen.values()]
        try:
            await self._database.write(lambda connection: write_seen_bots(connection, rows), durable=False)
        except DatabaseAway:
            self._seen = seen | self._seen
            raise
        for one in rows:
            if one.state is not None:
                self._state_written[one.bot_id] = one.last_seen
                self._state_written.move_to_end(one.bot_id)

    def _without_recent_state(self, one: SeenBot) -> SeenBot:
        state = None if one.state is None or self._was_written_lately(one) else storable(one.state)
        return SeenBot(bot_id=one.bot_id, last_seen=one.last_seen, state=state)

    def _was_written_lately(self, one: SeenBot) -> bool:
        while self._state_written:
            bot_id, written = next(iter(self._state_written.items()))
            if (one.last_seen - written).total_seconds() < self._state_seconds:
                break
            del self._state_written[bot_id]
        return one.bot_id in self._state_written
