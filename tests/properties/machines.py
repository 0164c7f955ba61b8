"""Bots of the model world: ours, as far as the protocol goes, on machines that vanish and come back."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, TypeVar

from swarming_botgateway.sessions import Session
from swarming_botgateway.store.updates import RunUpdate
from swarming_common.hints.gateway import RunAssigned
from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId
from tests.properties.gateways import Gateway, Poll, Refused, Taken
from tests.properties.promises import AnsweredEnd, Process

if TYPE_CHECKING:
    from tests.properties.world import World

T = TypeVar("T")

LOST_ANSWER_SECONDS = 1.0
"""How long a bot waits for an answer that does not come, but for that of a poll."""

SHORTEST_SECONDS = 0.001
"""Time must pass, however exact the clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """How machines and the network between them and the gateways behave; seconds, and chances from 0 to 1."""

    update_seconds: float = 0.8
    longest_grace: float = 0.5
    longest_run: float = 16.0
    lost_requests: float = 0.0
    """Of requests to a gateway that never arrive; half as many answers are lost."""
    fails: float = 0.05
    """How often the bot itself fails."""
    longest_hesitation: float = 0.0
    """Between getting a run and asking whether it is still one's own."""
    asks_for_the_next: float = 0.5
    """How often the last update of a run asks for the next run."""
    unnoticed: float = 0.5
    """How often a gateway does not see that the other end of a connection is gone."""


@dataclass
class Machine:
    """One bot."""

    world: "World"
    bot_id: str
    dimensions: dict[str, tuple[str, ...]]
    chance: Random
    is_cut_off_until: float = 0.0
    process: Process | None = None
    boots: int = 0
    runs: int = 0
    _life: "asyncio.Task[None] | None" = None
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def is_up(self) -> bool:
        """Whether the machine is there."""
        return self._life is not None

    def come_up(self) -> None:
        """Boot, unless it is up: whatever ran here before is gone."""
        if self.is_up:
            return
        self.boots += 1
        self._closed = asyncio.Event()
        self._life = asyncio.create_task(self._live(), name=self.bot_id)
        self._life.add_done_callback(self.world.note_failure)

    def vanish(self) -> None:
        """Machine, bot and process are gone; the gateway may not see it."""
        if self._life is not None:
            self._life.cancel()
            self._life = None
            self._end_process()
            if self.chance.random() >= self.world.habits.unnoticed:
                self._closed.set()

    async def _live(self) -> None:
        while True:
            process = f"{self.bot_id}.{self.boots}"
            session = await self._ask(
                lambda gateway: gateway.connect(self.bot_id, self.dimensions, process),  # noqa: B023
                LOST_ANSWER_SECONDS,
            )
            if session is None:
                await asyncio.sleep(self.world.delay(0.5))
                continue
            await self._work(session)

    async def _work(self, session: Session) -> None:
        """Until the server wants another handshake."""
        while True:
            poll = Poll(self.bot_id, self.dimensions, session, self._closed)
            answer = await self._ask(lambda gateway: gateway.poll(poll), self.world.poll_seconds)  # noqa: B023
            if answer is None:
                poll.closed.set()
                self._closed = asyncio.Event()
                await asyncio.sleep(self.world.delay(0.5))
            elif answer.shakes_hands:
                await asyncio.sleep(self.world.delay(0.5))
                return
            else:
                run = answer.run
                while run is not None:
                    await asyncio.sleep(self.world.delay(self.world.habits.longest_hesitation))
                    run = await self._carry_out(run, session)

    async def _carry_out(self, assigned: RunAssigned, session: Session) -> RunAssigned | None:
        """Ask whether the run is still ours, start its process, say how it ended; the next run, if that was given."""
        self.runs += 1
        run = RunId(assigned.task_id, assigned.run_number)
        tolerance = assigned.bot_ping_tolerance_secs
        answer = await self._say(run, session, None, tolerance)
        if answer is None:
            return None
        if not (isinstance(answer, Taken) and not answer.must_stop):
            await self._say(run, session, self._report(ReportKind.CANCELED), tolerance)
            return None
        if self.chance.random() < self.world.habits.fails:
            await self._say(run, session, self._report(ReportKind.FAILED), tolerance)
            return None
        report = await self._run_process(assigned, run, session)
        asks = self.chance.random() < self.world.habits.asks_for_the_next
        answer = await self._say(run, session, report, tolerance, asks=asks)
        return answer.next_run if isinstance(answer, Taken) else None

    async def _run_process(self, assigned: RunAssigned, run: RunId, session: Session) -> Report:
        world = self.world
        process = self.process = Process(run.task_id, run.number, self.bot_id, world.next_exit_code())
        world.promises.process_started(process)
        began = last_answer = world.clock.seconds
        limit = assigned.properties.execution_timeout_secs
        ends = began + min(self.chance.uniform(0.0, world.habits.longest_run), limit)
        must_stop = False
        while not must_stop and world.clock.seconds < ends:
            pause = min(ends, last_answer + assigned.bot_ping_tolerance_secs) - world.clock.seconds
            await asyncio.sleep(max(SHORTEST_SECONDS, min(pause, world.habits.update_seconds)))
            if world.clock.seconds >= ends:
                break
            asked = world.clock.seconds
            left = last_answer + assigned.bot_ping_tolerance_secs - asked
            answer = await self._update(run, session, None, max(0.0, min(left, LOST_ANSWER_SECONDS)))
            if answer is not None:
                last_answer = world.clock.seconds
                must_stop = not isinstance(answer, Taken) or answer.must_stop
            must_stop = must_stop or world.clock.seconds >= last_answer + assigned.bot_ping_tolerance_secs
        if must_stop:
            await asyncio.sleep(self.chance.uniform(0.0, world.habits.longest_grace))
        duration = world.clock.seconds - began
        self._end_process()
        is_late = not must_stop and duration >= limit
        return self._report(ReportKind.FINISHED, process.exit_code, duration, hard_timeout=is_late)

    async def _say(
        self, run: RunId, session: Session, report: Report | None, patience: float, *, asks: bool = False
    ) -> Taken | Refused | None:
        """Again and again until it is answered or the server was silent for too long."""
        gives_up = self.world.clock.seconds + patience
        while self.world.clock.seconds < gives_up:
            answer = await self._update(run, session, report, LOST_ANSWER_SECONDS, asks=asks)
            if answer is not None:
                return answer
            await asyncio.sleep(self.world.delay(0.5))
        return None

    async def _update(
        self, run: RunId, session: Session, report: Report | None, patience: float, *, asks: bool = False
    ) -> Taken | Refused | None:
        poll = Poll(self.bot_id, self.dimensions, session, self._closed) if asks else None
        update = RunUpdate(run=run, bot_id=self.bot_id, session=str(session), output=None, report=report)
        answer = await self._ask(lambda gateway: gateway.report(update, poll), patience)
        if answer is None and poll is not None:
            poll.closed.set()
            self._closed = asyncio.Event()
        if isinstance(answer, Taken) and report is not None:
            self.world.promises.answered.setdefault(
                (run.task_id, run.number, self.bot_id), AnsweredEnd(report.kind, report.exit_code)
            )
        return answer

    async def _ask(self, ask: "Callable[[Gateway], asyncio.Task[T]]", patience: float) -> T | None:
        """The answer of some gateway, or None when none came."""
        gateway = self.world.some_gateway(self.chance)
        lost = self.world.habits.lost_requests
        if gateway is None or self.is_cut_off() or self.chance.random() < lost:
            await asyncio.sleep(min(patience, self.world.delay(LOST_ANSWER_SECONDS)))
            return None
        asked = ask(gateway)
        done, _ = await asyncio.wait([asked], timeout=patience)
        if not done or asked.cancelled() or self.is_cut_off() or self.chance.random() < lost / 2:
            return None
        return asked.result()

    def is_cut_off(self) -> bool:
        """Whether the machine reaches no gateway just now."""
        return self.world.clock.seconds < self.is_cut_off_until

    def _end_process(self) -> None:
        if self.process is not None:
            self.world.promises.process_ended(self.process)
            self.process = None

    def _report(
        self,
        kind: ReportKind,
        exit_code: int | None = None,
        duration: float | None = None,
        *,
        hard_timeout: bool = False,
    ) -> Report:
        return Report(
            kind=kind,
            created_ts=self.world.clock.now(),
            exit_code=exit_code,
            duration=duration,
            hard_timeout=hard_timeout,
            message="it failed" if kind is ReportKind.FAILED else None,
        )
