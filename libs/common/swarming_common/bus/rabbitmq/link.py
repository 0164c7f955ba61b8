"""Stay connected to RabbitMQ: one session after another, each with everything in place that was asked for."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog

from swarming_common.bus.port import BusAway
from swarming_common.bus.rabbitmq.session import ANSWER_SECONDS, Session, translated

log = structlog.get_logger(__name__)

FIRST_DELAY_SECONDS = 0.1
MAX_DELAY_SECONDS = 2.0


class Member(Protocol):
    """Something that wants its queues, bindings and consumers on the broker, in each session anew."""

    async def attach(self, session: Session) -> None:
        """Make them in this session; raises whatever the client library raises."""

    def detach(self) -> None:
        """The session is lost."""

    async def finish(self) -> None:
        """End what is in hand and begin nothing more; the connection is about to be closed."""


class Link:
    """Keeps a session open as long as the broker lets it."""

    def __init__(self, url: str, serve: Callable[[Session], Awaitable[None]]) -> None:
        """`serve` runs with each session until that is lost; raising ends the session."""
        self._url = url
        self._serve = serve
        self.members: list[Member] = []
        self._changing = asyncio.Lock()
        self._was_tried = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None
        self.session: Session | None = None
        self.on_reconnect: list[Callable[[], None]] = []

    async def open(self) -> None:
        """Make the first attempt, and go on in the background until `close`; returns whether or not it worked."""
        self._keeper = asyncio.create_task(self._keep(), name="rabbitmq link")
        await self._was_tried.wait()

    async def close(self) -> None:
        """Disconnect for good."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait([self._keeper])
        if self._closing is not None:
            await self._closing

    async def join(self, member: Member) -> None:
        """Attach this member now, and in each later session; while the broker is away only the latter."""
        self.members.append(member)
        await self.change(member.attach)

    def leave(self, member: Member) -> None:
        """Attach it no more. Repeats safely."""
        if member in self.members:
            self.members.remove(member)

    async def change(self, apply: Callable[[Session], Awaitable[None]]) -> None:
        """Change something on the broker; while it is away, attaching the members will do it later."""
        async with self._changing:
            session = self.session
            if session is None:
                return
            try:
                with translated():
                    async with asyncio.timeout(ANSWER_SECONDS):
                        await apply(session)
            except BusAway as error:
                session.lose(str(error))

    async def _keep(self) -> None:
        loop = asyncio.get_running_loop()
        delay = FIRST_DELAY_SECONDS
        while True:
            began = loop.time()
            try:
                session = await self._connect()
            except BusAway as error:
                log.warning("bus_away", reason=str(error))
                self._was_tried.set()
            except Exception:
                log.exception("bus_link_failed")
                self._was_tried.set()
            else:
                await self._use(session)
                if loop.time() - began > MAX_DELAY_SECONDS:
                    delay = FIRST_DELAY_SECONDS
            # All clients of a broker lose it at once; they need not all come back at once.
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(2 * delay, MAX_DELAY_SECONDS)

    async def _connect(self) -> Session:
        session = await Session.open(self._url)
        try:
            async with self._changing:
                for member in tuple(self.members):
                    with translated():
                        async with asyncio.timeout(ANSWER_SECONDS):
                            await member.attach(session)
                self.session = session
        except BaseException:
            self._detach()
            await self._end(session)
            raise
        return session

    async def _use(self, session: Session) -> None:
        serving = asyncio.create_task(self._serve_until_lost(session), name="rabbitmq hints")
        try:
            self._tell_back()
            reason = await session.lost
            log.warning("bus_lost", reason=reason)
        finally:
            self.session = None
            self._detach()
            serving.cancel()
            await asyncio.wait([serving])
            await self._end(session)

    async def _end(self, session: Session) -> None:
        # Cancelled in the middle of it, the client library leaves sockets and tasks behind.
        self._closing = asyncio.create_task(session.close(), name="rabbitmq closing")
        await asyncio.shield(self._closing)

    async def _serve_until_lost(self, session: Session) -> None:
        try:
            await self._serve(session)
        except BusAway as error:
            session.lose(str(error))
        except Exception as error:
            log.exception("bus_link_failed")
            session.lose(str(error))

    def _tell_back(self) -> None:
        is_first = not self._was_tried.is_set()
        self._was_tried.set()
        if is_first:
            return
        log.info("bus_back")
        for call in self.on_reconnect:
            try:
                call()
            except Exception:
                log.exception("on_reconnect_failed")

    def _detach(self) -> None:
        for member in self.members:
            member.detach()
