"""When bots were last heard of: gathered, and written together every few seconds."""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from swarming_botgateway.bot_facts import SeenBot
from swarming_botgateway.storable import storable
from swarming_botgateway.store.hot_bots import hot_seen_bots
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway, DataRejected

log = structlog.get_logger(__name__)

IDLE_BOTS_REMEMBERED = 20_000

BOTS_IN_A_WRITE = 100
"""So that updates of runs, which take turns with these writes, never wait for long."""


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
        if state is not None and self._was_written_lately(bot_id, now):
            state = None
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
        """Write what was seen; what could not be written is tried again the next time. Data that the database refuses
        harms nobody else. Raises DatabaseAway."""
        seen, self._seen = self._seen, {}
        if not seen:
            return
        rows = [_storable(one) for one in seen.values()]
        for first in range(0, len(rows), BOTS_IN_A_WRITE):
            part = rows[first : first + BOTS_IN_A_WRITE]
            try:
                await self._write(part)
            except DatabaseAway:
                self._seen = {one.bot_id: seen[one.bot_id] for one in rows[first:]} | self._seen
                raise
            self._note_states(part)

    async def _write(self, part: Sequence[SeenBot]) -> None:
        try:
            await self._database.write_hot(hot_seen_bots(part), durable=False)
        except DataRejected as error:
            if len(part) > 1:
                for one in part:
                    await self._write([one])
                return
            [guilty] = part
            log.warning("data_rejected", bot_id=guilty.bot_id, reason=str(error))
            if guilty.state is not None:
                await self._write([replace(guilty, state=None)])

    def _note_states(self, written: Sequence[SeenBot]) -> None:
        for one in written:
            if one.state is not None:
                self._state_written[one.bot_id] = one.last_seen
                self._state_written.move_to_end(one.bot_id)

    def _was_written_lately(self, bot_id: str, now: datetime) -> bool:
        while self._state_written:
            oldest, written = next(iter(self._state_written.items()))
            if (now - written).total_seconds() < self._state_seconds:
                break
            del self._state_written[oldest]
        return bot_id in self._state_written


def _storable(one: SeenBot) -> SeenBot:
    return SeenBot(bot_id=one.bot_id, last_seen=one.last_seen, state=None if one.state is None else storable(one.state))
