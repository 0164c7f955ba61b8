"""A scheduler on the embedded adapters, and what plays the others around it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.clock import DatabaseClock
from swarming_common.database import tables
from swarming_common.database.port import Database
from swarming_common.database.request_rows import request_document
from swarming_common.hints import addresses
from swarming_common.hints.gateway import RunAssigned, ShardAlive
from swarming_common.hints.scheduler import CommandGiven, Offer, OfferMade, Report, RunReported, TaskSubmitted
from swarming_common.hints.wire import Hint
from swarming_common.lifecycle import Ports
from swarming_common.model.reports import ReportKind
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId, new_task_id
from swarming_scheduler.bootstrap import build
from swarming_scheduler.settings import SchedulerSettings
from tests.unit.scheduler.builders import a_request, a_slice

SHARD = shard_of_pool("default")
PATIENCE_SECONDS = 30


class SkippingClock(DatabaseClock):
    """A clock whose process may be stopped for a while, and not notice."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped = timedelta()

    def skip(self, seconds: float) -> None:
        self._skipped += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return super().now() + self._skipped


class Surroundings:
    """Plays frontend and gateway for a scheduler, and restarts it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.clock = SkippingClock()
        self.ports = Ports(database=database, bus=InProcessBus(), cache=InProcessCache(), clock=self.clock)
        self.heard: asyncio.Queue[Hint] = asyncio.Queue()
        self._numbers = count(1)

    @asynccontextmanager
    async def scheduler(self, feed_seconds: float = 0.05, costs_seconds: float = 3600.0) -> AsyncIterator[None]:
        settings = SchedulerSettings(feed_seconds=feed_seconds, costs_seconds=costs_seconds)
        self.heard = asyncio.Queue()  # words of an earlier scheduler are no sign that this one listens
        mailbox = await self.ports.bus.open_mailbox(self.heard.put_nowait)
        for address in (addresses.gateway("gateway1"), addresses.ALL_GATEWAYS, addresses.frontend("frontend1")):
            await mailbox.listen(address)
        async with build(settings)(self.ports):
            await self.hear(ShardAlive, lambda hint: hint.shard == SHARD)
            yield
        await mailbox.close()

    async def submit(
        self,
        *,
        with_hint: bool = True,
        pool: str = "default",
        priority: int = 100,
        parent: TaskId | None = None,
        waits: bool = True,
        properties_hash: str = "",
    ) -> TaskId:
        one_slice = a_slice(waits=waits, properties_hash=properties_hash, pool=pool)
        request = a_request(slices=(one_slice,), priority=priority)
        if parent is not None:
            request = request.model_copy(update={"parent_run_id": str(RunId(parent, 1))})
        shard, now = shard_of_pool(pool), self.ports.clock.now()
        task_id = new_task_id(now, next(self._numbers))
        row = {
            "task_id": task_id,
            "nonce": 1,
            "shard": shard,
            "created_ts": now,
            "expiration_ts": now,
            "name": request.name,
            "pool": pool,
            "priority": request.priority,
            "parent_task_id": parent,
            "user": "",
            "tags": [],
            "request": request_document(request),
        }
        await self.database.write(lambda c: c.execute(tables.task_request.insert(), row) and None)
        if with_hint:
            hint = TaskSubmitted(task_id=task_id, created_ts=now, request=request)
            self.ports.bus.send(addresses.shard(shard), hint)
        return task_id

    async def cancel(self, task_id: TaskId) -> None:
        """Ask for it as a frontend does, without killing."""
        await self.command("c1", "cancel", task_id, {"kill_running": False})

    async def command(
        self, command_id: str, kind: str, task_id: TaskId, arguments: dict[str, Any], *, with_hint: bool = True
    ) -> None:
        """Ask something of a task of the default pool as a frontend does."""
        row = {
            "command_id": command_id,
            "shard": SHARD,
            "kind": kind,
            "task_id": task_id,
            "arguments": arguments,
            "given_by": "anonymous:anonymous",
            "reply_to": "frontend1",
            "created_ts": self.ports.clock.now(),
        }
        await self.database.write(lambda c: c.execute(tables.command.insert(), row) and None)
        if with_hint:
            self.ports.bus.send(addresses.shard(SHARD), CommandGiven(command_id=command_id))

    def offer(self, bot_id: str = "bot1", offer_id: str = "offer1") -> None:
        offer = Offer(
            offer_id=offer_id,
            bot_id=bot_id,
            gateway_id="gateway1",
            dimensions={"id": (bot_id,), "pool": ("default",)},
            bot_version="v1",
        )
        self.ports.bus.send(addresses.shard(SHARD), OfferMade(offer=offer))

    async def report(self, assigned: RunAssigned, kind: ReportKind, *, with_hint: bool = True) -> None:
        report = Report(kind=kind, created_ts=self.ports.clock.now(), exit_code=0, duration=1.5)
        key = {"task_id": assigned.task_id, "run_number": assigned.run_number, "bot_id": assigned.bot_id}
        row = key | {"shard": SHARD} | report.model_dump(exclude={"details"}) | {"kind": kind.value}
        await self.database.write(lambda c: c.execute(tables.run_report.insert(), row) and None)
        if with_hint:
            self.ports.bus.send(addresses.shard(SHARD), RunReported(report=report, **key))

    async def report_late(self, assigned: RunAssigned, cost_usd: float) -> None:
        """As a gateway tells that a run which was given up ended after all."""
        report = Report(kind=ReportKind.LATE, created_ts=self.ports.clock.now(), cost_usd=cost_usd)
        key = {"task_id": assigned.task_id, "run_number": assigned.run_number, "bot_id": assigned.bot_id}
        self.ports.bus.send(addresses.shard(SHARD), RunReported(report=report, **key))

    async def hear(self, kind: type[Any], wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                hint = await self.heard.get()
                if isinstance(hint, kind) and wanted(hint):
                    return hint

    async def result(self, task_id: TaskId, state: TaskState) -> Any:
        """The task's row, once it is in this state."""
        query = select(tables.task_result).where(tables.task_result.c.task_id == task_id)

        async def row() -> Any:
            return await self.database.read(lambda c: c.execute(query).one_or_none())

        return await until(row, lambda found: found is not None and found.state == state)

    async def events(self, task_id: TaskId) -> list[str]:
        query = select(tables.task_event.c.name).where(tables.task_event.c.task_id == task_id)
        ordered = query.order_by(tables.task_event.c.taskseq)
        return list(await self.database.read(lambda c: c.execute(ordered).scalars().all()))


async def until(look: Callable[[], Awaitable[Any]], is_enough: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            found = await look()
            if is_enough(found):
                return found
            await asyncio.sleep(0.01)
