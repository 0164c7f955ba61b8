"""Takes, keeps and lets go of shards for this process.

A tenure begins with a new writer connection and ends when it is lost, or when a commit goes wrong: then everything in
memory is dropped and the next tenure starts over from the tables.
"""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import structlog

from swarming_common.bus.port import Mailbox
from swarming_common.errors import DataRejected, Unavailable
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import SchedulerAlive, ShardReleased
from swarming_common.hints.wire import Hint
from swarming_common.lifecycle import Ports
from swarming_common.pools.port import Pools
from swarming_scheduler import metrics, store, store_takeover
from swarming_scheduler.committer import Committer
from swarming_scheduler.fleet import Fleet
from swarming_scheduler.membership import Members, owner_of
from swarming_scheduler.settings import SchedulerSettings
from swarming_scheduler.shard import Shard

log = structlog.get_logger(__name__)

BEAT_SECONDS = 1.0
REVIEW_SECONDS = 0.5
"""How often it is looked at who should own what: how long a shard of one that has gone may wait longer than need be."""

PAUSE_SECONDS = 0.5
"""Between two tenures."""


class Ownership:
    """One scheduler process's part in sharing out the shards."""

    def __init__(self, ports: Ports, settings: SchedulerSettings, pools: Pools, scheduler_id: str) -> None:
        self._ports = ports
        self._settings = settings
        self._pools = pools
        self._fleet = Fleet(ports.database, ports.clock)
        self._id = scheduler_id
        self._members = Members(scheduler_id, settings.member_seconds)
        self._review = asyncio.Event()
        self._takeovers: dict[int, asyncio.Task[None]] = {}
        self._stopping = False
        self._committer: Committer | None = None
        self._mailbox: Mailbox | None = None
        ports.bus.on_reconnect(self._on_bus_back)

    @property
    def is_serving(self) -> bool:
        """Whether there is a writer connection; owning no shard is fine while others own them."""
        return self._committer is not None

    def stop(self) -> None:
        """Commit what was decided, let go of every shard, and have `run` return."""
        self._stopping = True
        self._review.set()

    async def run(self) -> None:
        """One tenure after the other until stopped."""
        self._mailbox = await self._ports.bus.open_mailbox(self._read)
        await self._mailbox.listen(addresses.ALL_SCHEDULERS)
        while not self._stopping:
            try:
                await self._tenure()
            except* (Unavailable, store.LostOwnership, DataRejected) as group:
                reasons = [str(error) for error in group.exceptions]
                log.warning("tenure_lost", scheduler_id=self._id, reasons=reasons)
            except* Exception:  # a mistake of ours; starting over from the tables is still the best that can be done
                log.exception("tenure_failed", scheduler_id=self._id)
            if not self._stopping:
                gc.collect()  # tracebacks hold the shards that were lost, and the next takeover would freeze them
                await asyncio.sleep(PAUSE_SECONDS)
        await self._mailbox.close()

    async def _tenure(self) -> None:
        writer = await self._ports.database.open_writer(f"swarming-scheduler-{self._id}")
        committer = self._committer = Committer(writer)
        try:
            numbers = await self._ports.database.read(store_takeover.shard_numbers)
            async with asyncio.TaskGroup() as tenure:
                helpers = [
                    tenure.create_task(committer.run()),
                    tenure.create_task(self._beat(committer.beat)),
                    tenure.create_task(self._watch_bots()),
                ]
                await self._share_out(committer, numbers, tenure)
                await self._leave(committer)
                for helper in helpers:
                    helper.cancel()
        finally:
            self._committer = None
            async with AsyncExitStack() as ending:  # the last one first, and each though another fails
                for shard in committer.shards.values():
                    ending.push_async_callback(shard.close)
                ending.push_async_callback(writer.close)  # others wait for the locks
            committer.shards.clear()
            self._takeovers.clear()
            metrics.OWNED.set(0)

    async def _beat(self, beat: Callable[[], Awaitable[None]]) -> None:
        while True:
            await beat()
            self._ports.bus.send(addresses.ALL_SCHEDULERS, SchedulerAlive(scheduler_id=self._id))
            await asyncio.sleep(BEAT_SECONDS)

    async def _watch_bots(self) -> None:
        while True:
            try:
                await self._fleet.read()
            except Unavailable as error:
                log.warning("bots_unread", reason=str(error))
            await asyncio.sleep(self._settings.bots_seconds)

    async def _share_out(self, committer: Committer, numbers: list[int], tenure: asyncio.TaskGroup) -> None:
        while not self._stopping:
            self._review.clear()
            members = self._members.alive(time.monotonic())
            for number in numbers:
                is_ours = owner_of(number, members) == self._id
                if is_ours and number not in committer.shards:
                    await self._try_take(committer, number, tenure)
                elif not is_ours and number in committer.shards:
                    await self._release(committer, number)
            with suppress(TimeoutError):
                async with asyncio.timeout(REVIEW_SECONDS):
                    await self._review.wait()

    async def _try_take(self, committer: Committer, number: int, tenure: asyncio.TaskGroup) -> None:
        """Take a shard if it is free. It is loaded aside, so that a large one does not keep the others waiting."""
        writer = committer.writer
        if not await writer.try_lock(number):
            return
        row = await writer.write(lambda c: store_takeover.claim_shard(c, number, self._id))
        shard = Shard(self._ports, self._settings.rules(self._pools), row, self._fleet, committer.wake)
        committer.shards[number] = shard
        metrics.OWNED.set(len(committer.shards))
        self._takeovers[number] = tenure.create_task(self._take_over(shard), name=f"takeover:{number}")

    async def _take_over(self, shard: Shard) -> None:
        await shard.open()
        await shard.load(self._settings.feed_seconds, self._settings.costs_seconds)

    async def _release(self, committer: Committer, number: int) -> None:
        shard = committer.shards[number]
        takeover = self._takeovers.pop(number)
        takeover.cancel()
        await asyncio.wait([takeover])
        await shard.close()
        shard.note_cursors()
        await committer.commit_all(shard)
        del committer.shards[number]
        await committer.writer.unlock(number)
        self._ports.bus.send(addresses.ALL_SCHEDULERS, ShardReleased(shard=number))
        metrics.OWNED.set(len(committer.shards))
        log.info("shard_released", shard=number, epoch=shard.epoch)

    async def _leave(self, committer: Committer) -> None:
        self._ports.bus.send(addresses.ALL_SCHEDULERS, SchedulerAlive(scheduler_id=self._id, leaving=True))
        for number in list(committer.shards):
            await self._release(committer, number)

    def _read(self, hint: Hint) -> None:
        if isinstance(hint, SchedulerAlive):
            if self._members.hear(hint.scheduler_id, hint.leaving, time.monotonic()):
                self._review.set()
        elif isinstance(hint, ShardReleased):
            self._review.set()

    def _on_bus_back(self) -> None:
        if self._committer is not None:
            for shard in self._committer.shards.values():
                shard.on_bus_back()
