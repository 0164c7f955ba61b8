"""The model world: schedulers, gateways, machines and people on one virtual clock."""

import asyncio
import gc
import logging
import sys
from collections.abc import Coroutine, MutableMapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any, TypeVar

import structlog

from swarming_common.bus.port import EventMessage
from swarming_common.database.tables import command
from swarming_common.events.envelope import NumberedEvent
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import ChildSubmitted, CommandGiven, TaskSubmitted
from swarming_common.lifecycle import Ports
from swarming_common.model.commands import CommandKind
from swarming_common.model.properties_hash import with_hashes
from swarming_common.model.reports import REPORT_KIND_CODES
from swarming_common.model.request import TaskRequest
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import TaskId, new_task_id, parse_task_id
from swarming_common.pools.port import FixedPools, Pools
from swarming_frontend.store.requests import NewRequest, Written, hot_requests
from swarming_scheduler.settings import SchedulerSettings
from tests.properties.bus import MOODS, Broker, Link
from tests.properties.database import Memory, Session, SessionWriter
from tests.properties.gateways import Gateway, Waits
from tests.properties.machines import Habits, Machine
from tests.properties.promises import PromiseBroken, Promises, hold
from tests.properties.schedulers import SchedulerProcess, watched
from tests.properties.virtual_time import VirtualClock, VirtualLoop, monotonic_is_virtual
from tests.read_events import decode

T = TypeVar("T")

DEAD_AFTER_SECONDS = 5.0
"""After so long the database takes a stopped scheduler for dead."""


_KIND_OF_CODE = {code: kind for kind, code in REPORT_KIND_CODES.items()}


class NoCache:
    """The cache port: away."""

    connected = False

    def announce(self, channel: str) -> None:
        """Nobody follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large a world is, and how its parts are set; seconds."""

    shards: int = 2
    schedulers: int = 2
    gateways: int = 2
    scheduler: SchedulerSettings
    gateway: Waits
    habits: Habits = field(default_factory=Habits)
    pools: Pools = field(default_factory=FixedPools)
    latencies: tuple[float, ...] = (0.0, 0.0, 0.002, 0.02)
    """Of the database."""
    small_pages: bool = True
    serialises: bool = True
    checks_memory: bool = True


class World:
    """Everything, and the promises that hold in it."""

    def __init__(self, plan: Plan, memory: Memory, seed: int) -> None:
        self.plan = plan
        self.habits = plan.habits
        self.chance = Random(seed)
        self.loop = VirtualLoop()
        self.clock = VirtualClock(self.loop)
        self.promises = Promises(self._said, self._retries_of)
        self.broker = Broker(self.loop, self.chance, self._see_event, serialises=plan.serialises)
        self.locks: dict[int, SessionWriter] = {}
        self.memory = memory
        self.schedulers: list[SchedulerProcess] = []
        self.gateways: list[Gateway] = []
        self.machines: dict[str, Machine] = {}
        self.submitted = self.promises.submitted
        self.deadlines: dict[TaskId, float] = {}
        self.failure: BaseException | None = None
        self._numbers = count(1)
        self._around = ExitStack()
        self._link = Link(self.broker)
        self._begin()

    def _begin(self) -> None:
        memory, around = self.memory, self._around
        memory.begin_anew(self.plan.shards)
        before = structlog.get_config()
        around.callback(lambda: structlog.configure(**before))
        structlog.configure(
            processors=[self._see_log],
            wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
            cache_logger_on_first_use=False,
        )
        around.enter_context(monotonic_is_virtual(self.loop))
        around.enter_context(watched(self.plan.small_pages))
        self.loop.set_exception_handler(lambda _, context: self.fail(context.get("exception"), str(context)))
        self.frontend = Session(memory, self.locks, self._latency)
        self.do(self._open())

    async def _open(self) -> None:
        for _ in range(self.plan.gateways):
            await self.add_gateway()
        for _ in range(self.plan.schedulers):
            self.add_scheduler()

    def close(self) -> None:
        """End everything in it, whatever state it is in."""
        try:
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            for _ in range(10):
                self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()
        finally:
            gc.unfreeze()  # takeovers freeze what they load, which here is soon garbage
            self._around.close()

    # --- time -------------------------------------------------------------------------------------------------------

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have this done, and whatever else happens meanwhile. Raises what was found to be broken."""
        result = self.loop.run_until_complete(work)
        if self.failure is not None:
            raise self.failure
        return result

    def pass_time(self, seconds: float) -> None:
        """Let things happen."""
        self.do(asyncio.sleep(seconds))

    def delay(self, longest: float) -> float:
        """Some seconds."""
        return self.chance.uniform(0.0, longest)

    # --- processes --------------------------------------------------------------------------------------------------

    def _ports(self, session: Session, link: Link) -> Ports:
        return Ports(database=session, bus=link, cache=NoCache(), clock=self.clock)  # type: ignore[arg-type]

    def add_scheduler(self) -> SchedulerProcess:
        """One more process, which takes its share."""
        session, link = Session(self.memory, self.locks, self._latency), Link(self.broker)
        process = SchedulerProcess(
            next(self._numbers),
            self._ports(session, link),
            link,
            session,
            self.plan.pools,
            self.plan.scheduler,
            self.promises,
            checks_memory=self.plan.checks_memory,
        )
        self.schedulers.append(process)
        return process

    async def add_gateway(self) -> Gateway:
        """One more."""
        session, link = Session(self.memory, self.locks, self._latency), Link(self.broker)
        name = f"gateway{next(self._numbers)}"
        gateway = Gateway(name, self._ports(session, link), link, self.plan.gateway, self.plan.shards)
        await gateway.open()
        self.gateways.append(gateway)
        return gateway

    def some_gateway(self, chance: Random) -> Gateway | None:
        """Where a proxy would send a request."""
        alive = [one for one in self.gateways if not one.is_dead]
        return chance.choice(alive) if alive else None

    async def kill_gateway(self, gateway: Gateway) -> None:
        """And another takes its place."""
        await gateway.die()
        self.gateways.remove(gateway)
        await self.add_gateway()

    def living_schedulers(self) -> list[SchedulerProcess]:
        """Those that were not killed; those that are on their way to be may be among them."""
        self.schedulers = [one for one in self.schedulers if not one.is_dead]
        return self.schedulers

    async def leave(self, process: SchedulerProcess) -> None:
        """An orderly stop."""
        process.is_dead = True  # nobody does anything else to it
        leaving = asyncio.create_task(process.leave())
        leaving.add_done_callback(self.note_failure)
        await asyncio.wait([leaving], timeout=DEAD_AFTER_SECONDS)

    def stop_scheduler(self, process: SchedulerProcess) -> None:
        """SIGSTOP; after a while the database drops it."""
        process.stop()

        def drop() -> None:
            if not process.session.running.is_set():
                process.cut_off()

        self.loop.call_later(DEAD_AFTER_SECONDS, drop)

    def add_machine(self, bot_id: str, dimensions: dict[str, tuple[str, ...]]) -> Machine:
        """A machine that is up."""
        machine = Machine(self, bot_id, dimensions | {"id": (bot_id,)}, Random(self.chance.getrandbits(64)))
        self.machines[bot_id] = machine
        machine.come_up()
        return machine

    @property
    def poll_seconds(self) -> float:
        """How long a bot waits for the answer to a poll."""
        return self.plan.gateway.hold_seconds * 1.25

    def next_exit_code(self) -> int:
        """Another each time; every third is a success's."""
        return next(self._numbers)

    # --- people -----------------------------------------------------------------------------------------------------

    async def submit(self, request: TaskRequest) -> TaskId:
        """As through the API."""
        now = self.clock.now()
        parent = None if request.parent_run_id is None else parse_task_id(request.parent_run_id)
        item = NewRequest(
            task_id=new_task_id(now, next(self._numbers)),
            nonce=self.chance.getrandbits(63),
            shard=shard_of_pool(request.pool or "", self.plan.shards),
            created_ts=now,
            request=with_hashes(request, None),
            parent_task_id=parent,
            secret_bytes=None,
            caller="user:a",
            request_uuid=None,
        )
        self.submitted[item.task_id] = item.request  # a scheduler may find the row before its writer hears of it
        self.deadlines[item.task_id] = self.clock.seconds + request.expiration_secs
        [outcome] = await self.frontend.write_hot(hot_requests([item]))
        assert isinstance(outcome, Written)
        hint = TaskSubmitted(task_id=item.task_id, created_ts=now, request=item.request)
        self._link.send(addresses.shard(item.shard), hint)
        if parent is not None and not request.outlives_parent and self.shard_of(parent) != item.shard:
            child = ChildSubmitted(parent_task_id=parent, shard=item.shard)
            self._link.send(addresses.shard(self.shard_of(parent)), child)
        return item.task_id

    async def cancel(self, task_id: TaskId, kill_running: bool) -> None:
        """As through the API, without waiting for the word."""
        await self._command(CommandKind.CANCEL, task_id, {"kill_running": kill_running})

    async def reprioritize(self, task_id: TaskId, priority: int) -> None:
        """As through the API, without waiting for the word."""
        await self._command(CommandKind.PRIORITY, task_id, {"priority": priority})

    async def _command(self, kind: CommandKind, task_id: TaskId, arguments: dict[str, Any]) -> None:
        row = {
            "command_id": f"command{next(self._numbers)}",
            "shard": self.shard_of(task_id),
            "kind": kind.value,
            "task_id": task_id,
            "arguments": arguments,
            "given_by": "user:a",
            "created_ts": self.clock.now(),
        }
        await self.frontend.write(lambda connection: connection.execute(command.insert(), row) and None)
        self._link.send(addresses.shard(self.shard_of(task_id)), CommandGiven(command_id=str(row["command_id"])))

    def shard_of(self, task_id: TaskId) -> int:
        """The shard that has this task."""
        query = "SELECT shard FROM task_request WHERE task_id = ?"
        return int(self.memory.driver.execute(query, (task_id,)).fetchone()[0])

    # --- what is seen -----------------------------------------------------------------------------------------------

    def state_of(self, task_id: TaskId) -> TaskState:
        """As the rows have it."""
        row = self.promises.results.get(task_id)
        return TaskState.PENDING if row is None else TaskState(row["state"])

    def unfinished(self) -> list[TaskId]:
        """The tasks that have not ended."""
        return [one for one in self.submitted if not self.state_of(one).is_final]

    def fail(self, error: BaseException | None, how: str) -> None:
        """Something is wrong with the world; the first is what matters."""
        if self.failure is None and not isinstance(error, asyncio.CancelledError):
            self.failure = error if isinstance(error, PromiseBroken) else PromiseBroken("no surprises", how)
            self.failure.__cause__ = None if self.failure is error else error

    def note_failure(self, task: "asyncio.Task[Any]") -> None:
        """For tasks that must not fail."""
        if not task.cancelled() and task.exception() is not None:
            self.fail(task.exception(), repr(task.exception()))

    async def calm_down(self) -> None:
        """Nothing goes wrong from now on: every part is there, and nothing is lost."""
        self.broker.come_back()
        self.broker.mood = MOODS["good"]
        self.habits = replace(self.plan.habits, lost_requests=0.0, fails=0.0)
        for process in self.living_schedulers():
            process.dies_before_write = process.dies_after_write = False
            process.wake()
        if not self.schedulers:
            self.add_scheduler()
        for machine in self.machines.values():
            machine.is_cut_off_until = 0.0

    def seconds_to_end(self) -> float:
        """In a calm world every task has ended after so long: its expiration, a run that begins at the last moment, and
        one that nobody speaks of any more."""
        settings = self.plan.scheduler
        waiting = max((self.deadlines[one] - self.clock.seconds for one in self.unfinished()), default=0.0)
        requests = [self.submitted[one] for one in self.unfinished()]
        running = max(
            (one.task_slices[0].properties.execution_timeout_secs + one.bot_ping_tolerance_secs for one in requests),
            default=0,
        )
        quiet = settings.confirm_seconds * 2 + settings.silence_margin_seconds + settings.bot_death_timeout_secs
        return max(0.0, waiting) + running + quiet + DEAD_AFTER_SECONDS

    def check_all_ended(self) -> None:
        """To be asked when the world was calm for `seconds_to_end`."""
        left = self.unfinished()
        hold(not left, "every task ends", [(one, self.state_of(one).name, self.promises.events[one]) for one in left])
        hold(not self.promises.alive, "every process ends", self.promises.alive)

    def is_all_relayed(self) -> bool:
        """Whether every event that was written is on the exchange."""
        return all(self.promises.relayed_seq[shard] == seq for shard, seq in self.promises.last_seq.items())

    def _said(self, task_id: int, run_number: int, bot_id: str) -> list[tuple[str, int | None]]:
        query = (
            "SELECT kind, exit_code FROM run_report WHERE task_id = ? AND run_number = ? AND bot_id = ? ORDER BY rowid"
        )
        rows = self.memory.driver.execute(query, (task_id, run_number, bot_id)).fetchall()
        return [(_KIND_OF_CODE[code], exit_code) for code, exit_code in rows]

    def _latency(self) -> float:
        return self.chance.choice(self.plan.latencies)

    def _retries_of(self, task_id: int) -> int:
        return self.plan.pools.of(self.submitted[TaskId(task_id)].pool or "").task_retries

    def _see_event(self, message: EventMessage) -> None:
        for event in decode(message.body, NumberedEvent):
            self.promises.check_relayed(event.shard, event.seq)

    def _see_log(self, _: Any, level: str, entry: MutableMapping[str, Any]) -> str:
        """What the services log as an error is one; a warning is no more than they expect."""
        if level in ("error", "critical", "exception"):
            error = entry.get("exc_info")
            error = sys.exc_info()[1] if error is True else error
            self.fail(_innermost(error) if isinstance(error, BaseException) else None, str(entry))
        raise structlog.DropEvent


def _innermost(error: BaseException) -> BaseException:
    """A broken promise inside groups of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
