"""Looks up in the tables what a shard's undecided tasks wait for."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial

from swarming_common.clock import Clock
from swarming_common.database.port import Database
from swarming_scheduler.fleet import Fleet
from swarming_scheduler.patience import patiently
from swarming_scheduler.state import ShardState, Twin, Undecided
from swarming_scheduler.store_twins import newest_twins
from swarming_scheduler.usecases.choose_slice import decide

DECIDED_AT_ONCE = 500


class Deciding:
    """Has undecided tasks go on. Until they do nobody else will, so it does not give up."""

    def __init__(
        self, state: ShardState, database: Database, fleet: Fleet, clock: Clock, wake_commit: Callable[[], None]
    ) -> None:
        self._state = state
        self._database = database
        self._fleet = fleet
        self._clock = clock
        self._wake_commit = wake_commit

    async def decide(self, undecided: Sequence[Undecided]) -> None:
        """Look up what these need, and let them go on."""
        without_twins = [one for one in undecided if one.needs_twins]
        without_bots = [one for one in undecided if not one.needs_twins]
        await asyncio.gather(self._find_twins(without_twins), self._find_bots(without_bots))

    async def _find_twins(self, undecided: Sequence[Undecided]) -> None:
        for start in range(0, len(undecided), DECIDED_AT_ONCE):
            some = undecided[start : start + DECIDED_AT_ONCE]
            self._go_on(some, await patiently(self._state.number, "twins", partial(self._twins_of, some)))

    async def _find_bots(self, undecided: Sequence[Undecided]) -> None:
        if undecided:
            since = max(one.since for one in undecided)
            await patiently(self._state.number, "bots", partial(self._fleet.read_since, since))
            self._go_on(undecided, {})

    async def _twins_of(self, undecided: Sequence[Undecided]) -> Mapping[str, Twin]:
        hashes = {one.properties_hash for each in undecided for one in each.task.slices[each.first_slice :]} - {""}
        since = self._clock.now() - timedelta(seconds=self._state.rules.reusable_task_age_secs)
        return await self._database.read(lambda c: newest_twins(c, hashes, since))

    def _go_on(self, undecided: Sequence[Undecided], twins: Mapping[str, Twin]) -> None:
        now = self._clock.now()
        for one in undecided:
            decide(self._state, one, twins, now)
        self._wake_commit()
