"""A scheduler on the embedded adapters: takeovers, feeds, commands, and what it writes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import select, update

from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database import tables
from swarming_common.database.port import Database
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.gateway import RunAssigned, ShardAlive
from swarming_common.hints.scheduler import CommandGiven, Offer, OfferMade, Report, RunReported, TaskSubmitted
from swarming_common.hints.wire import Hint
from swarming_common.lifecycle import Ports
from swarming_common.model.reports import ReportKind
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, new_task_id
from swarming_scheduler.bootstrap import build
from swarming_scheduler.settings import SchedulerSettings
from tests.unit.scheduler.builders import a_request

SHARD = shard_of_pool("default")
PATIENCE_SECONDS = 30


class Surroundings:
    """Plays frontend and gateway for a scheduler, and restarts it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ports = Ports(database=database, bus=InProcessBus(), cache=InProcessCache())
        self.heard: asyncio.Queue[Hint] = asyncio.Queue()

    @asynccontextmanager
    async def scheduler(self) -> AsyncIterator[None]:
        settings = SchedulerSettings(feed_seconds=0.05)
        mailbox = await self.ports.bus.open_mailbox(self.heard.put_nowait)
        for address in (addresses.gateway("gateway1"), addresses.ALL_GATEWAYS, addresses.frontend("frontend1")):
            await mailbox.listen(address)
        async with build(settings)(self.ports):
            await self.hear(ShardAlive, lambda hint: hint.shard == SHARD)
            yield
        await mailbox.close()

    async def submit(self, *, with_hint: bool = True) -> TaskId:
        request, now = a_request(), self.ports.clock.now()
        task_id = new_task_id(now, hash(asyncio.current_task()) + self.heard.qsize())
        row = {
            "task_id": task_id,
            "nonce": 1,
            "shard": SHARD,
            "created_ts": now,
            "expiration_ts": now,
            "name": "a task",
            "pool": "default",
            "priority": 100,
            "user": "",
            "tags": [],
            "request": request.model_dump(mode="json"),
        }
        await self.database.write(lambda c: c.execute(tables.task_request.insert(), row) and None)
        if with_hint:
            hint = TaskSubmitted(task_id=task_id, created_ts=now, request=request)
            self.ports.bus.send(addresses.shard(SHARD), hint)
        return task_id

    async def cancel(self, task_id: TaskId) -> None:
        """Ask for it as a frontend does, without killing."""
        row = {
            "command_id": "c1",
            "shard": SHARD,
            "kind": "cancel",
            "task_id": task_id,
            "arguments": {"kill_running": False},
            "given_by": "anonymous:anonymous",
            "reply_to": "frontend1",
            "created_ts": self.ports.clock.now(),
        }
        await self.database.write(lambda c: c.execute(tables.command.insert(), row) and None)
        self.ports.bus.send(addresses.shard(SHARD), CommandGiven(command_id="c1"))

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


@pytest.fixture
def around(sqlite_database: Database) -> Surroundings:
    return Surroundings(sqlite_database)


async def test_a_task_is_handed_out_with_its_command_and_ends_as_its_bot_reports(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()

        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED)

        row = await around.result(task_id, TaskState.COMPLETED)
        assert assigned.properties.command == ("true",)
        assert (row.bot_id, row.exit_code, row.duration, row.failure) == ("bot1", 0, 1.5, False)
        assert await around.events(task_id) == ["task.queued", "task.assigned", "task.completed"]


async def test_what_no_hint_told_is_found_in_the_tables(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit(with_hint=False)

        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED, with_hint=False)

        await around.result(task_id, TaskState.COMPLETED)


async def test_a_new_owner_knows_what_waits_what_runs_and_what_was_confirmed(around: Surroundings):
    async with around.scheduler():
        around.offer()
        running = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.CONFIRMED)
        pending = await around.submit()
        await around.result(pending, TaskState.PENDING)

    async with around.scheduler():
        around.offer("bot1", "offer2")
        around.offer("bot2", "offer3")
        second = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.FINISHED)
        third = await around.submit()
        fourth = await around.hear(RunAssigned)

        await around.result(running, TaskState.COMPLETED)
        assert (second.task_id, second.bot_id) == (pending, "bot2")
        assert (fourth.task_id, fourth.bot_id) == (third, "bot1")


async def test_a_new_owner_sends_an_unconfirmed_run_again(around: Surroundings):
    async with around.scheduler():
        around.offer()
        await around.submit()
        first = await around.hear(RunAssigned)

    async with around.scheduler():
        around.offer("bot1", "offer2")
        again = await around.hear(RunAssigned)

    assert (again.task_id, again.run_number, again.offer_id) == (first.task_id, first.run_number, "offer2")
    assert again.properties == first.properties


async def test_a_cancel_is_answered_even_if_it_overtakes_its_task(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit(with_hint=False)
        await around.cancel(task_id)

        done = await around.hear(CommandDone)

        assert (done.command_id, done.ok, done.was_running) == ("c1", True, False)
        await around.result(task_id, TaskState.CANCELED)


async def test_a_revocation_that_its_owner_did_not_finish_leaves_a_confirmed_run_alone(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.report(assigned, ReportKind.CONFIRMED, with_hint=False)
    revoked = update(tables.task_run).where(tables.task_run.c.task_id == task_id).values(revoked=True)
    await around.database.write(lambda c: c.execute(revoked) and None)

    async with around.scheduler():
        around.offer("bot2", "offer2")
        run = select(tables.task_run).where(tables.task_run.c.task_id == task_id)

        async def row() -> Any:
            return await around.database.read(lambda c: c.execute(run).one())

        kept = await until(row, lambda found: not found.revoked)
        await around.report(assigned, ReportKind.FINISHED)
        await around.result(task_id, TaskState.COMPLETED)
        assert (kept.bot_id, kept.run_number) == ("bot1", 1)


async def test_a_refused_cancel_stays_refused(around: Surroundings):
    async with around.scheduler():
        around.offer()
        task_id = await around.submit()
        assigned = await around.hear(RunAssigned)
        await around.cancel(task_id)
        assert (await around.hear(CommandDone)).ok is False

        await around.report(assigned, ReportKind.LOST)
        around.offer("bot2", "offer2")

        again = await around.hear(RunAssigned)
        assert (again.task_id, again.bot_id) == (task_id, "bot2")


async def test_a_scheduler_whose_rows_were_changed_by_another_starts_over(around: Surroundings):
    async with around.scheduler():
        task_id = await around.submit()
        await around.result(task_id, TaskState.PENDING)
        stolen = update(tables.task_result).where(tables.task_result.c.task_id == task_id)
        values = {"state": int(TaskState.EXPIRED)}
        await around.database.write(lambda c: c.execute(stolen.values(values)) and None)

        around.offer()
        await around.hear(ShardAlive, lambda hint: hint.shard == SHARD and hint.epoch > 1)

        row = await around.result(task_id, TaskState.EXPIRED)
        assert row.bot_id is None
