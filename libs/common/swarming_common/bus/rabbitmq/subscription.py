"""A worker on RabbitMQ: it reads a durable quorum queue and acknowledges what its handler has digested."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq.abc import ArgumentsType
from aiormq.exceptions import AMQPChannelError

from swarming_common.bus.handling import digest
from swarming_common.bus.port import BusAway, EventMessage, EventsHandler, Undigestible
from swarming_common.bus.rabbitmq.link import Link
from swarming_common.bus.rabbitmq.parked_message import as_event_message
from swarming_common.bus.rabbitmq.session import EVENTS_EXCHANGE, Session, translated

log = structlog.get_logger(__name__)

MAX_UNACKNOWLEDGED = 100
"""How much the broker sends ahead, and so the largest batch; small enough to share a backlog among workers."""

QUORUM: ArgumentsType = {
    "x-queue-type": "quorum",
    # RabbitMQ 4 drops what came back 20 times; a worker that is killed again and again must not lose events.
    "x-delivery-limit": 1_000_000,
}

REFUSED_RETRY_SECONDS = 10.0
"""What the broker refuses (a queue that is there with other arguments, say) waits for an operator."""

Park = Callable[[str, Sequence[Undigestible]], Awaitable[None]]
"""`Bus.park`."""


@dataclass(frozen=True, slots=True)
class _Work:
    """What is done with a queue's messages; one batch at a time, also while one session follows another."""

    queue: str
    handle: EventsHandler
    park: Park
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class RabbitMQSubscription:
    """Reads its queue in every session. A queue that the broker refuses is tried again and keeps nobody else up."""

    def __init__(self, link: Link, queue: str, patterns: Sequence[str], handle: EventsHandler, park: Park) -> None:
        self._link = link
        self._patterns = tuple(patterns)
        self._work = _Work(queue, handle, park)
        self._retrying: asyncio.Task[None] | None = None
        self._reading: _Reading | None = None
        self._readings: set[_Reading] = set()
        self._is_closed = False

    async def attach(self, session: Session) -> None:
        """Make the queue and its bindings, and read."""
        if self._is_closed or self._reading is not None:
            return
        try:
            await self._make_queue(session)
        except AMQPChannelError as error:
            log.error("subscription_refused", queue=self._work.queue, reason=str(error))
            if self._retrying is None or self._retrying.done():  # it may be the one that is just trying
                self._retrying = asyncio.create_task(self._try_again(), name=f"retry of {self._work.queue}")
            return
        channel, _ = await session.open_reading_channel()
        await channel.set_qos(prefetch_count=MAX_UNACKNOWLEDGED)
        queue = await channel.get_queue(self._work.queue, ensure=False)
        reading = self._reading = _Reading(session, channel, self._work)
        self._readings.add(reading)
        reading.ended.add_done_callback(lambda _: self._readings.discard(reading))
        reading.consumer_tag = await queue.consume(reading.take)

    def detach(self) -> None:
        """The session is lost: what was not acknowledged comes again in the next one."""
        if self._reading is not None:
            self._reading.stop()
            self._reading = None

    async def finish(self) -> None:
        """Begin no further batch, and wait for the one in hand."""
        self._is_closed = True
        self.detach()
        if self._retrying is not None:
            self._retrying.cancel()
        if self._readings:
            await asyncio.wait([reading.ended for reading in self._readings])

    async def close(self) -> None:
        """See the port."""
        self._is_closed = True
        self._link.leave(self)
        await self._link.change(self._cancel)
        reading = self._reading
        await self.finish()
        if reading is not None:
            await self._link.change(reading.close)

    async def _make_queue(self, session: Session) -> None:
        async with session.scratch_channel() as channel:
            queue = await channel.declare_queue(self._work.queue, durable=True, arguments=QUORUM)
            for pattern in self._patterns:
                await queue.bind(EVENTS_EXCHANGE, pattern)

    async def _try_again(self) -> None:
        while self._reading is None:
            await asyncio.sleep(REFUSED_RETRY_SECONDS)
            await self._link.change(self.attach)

    async def _cancel(self, session: Session) -> None:
        if self._reading is not None:
            await self._reading.cancel()


class _Reading:
    """The worker within one session."""

    def __init__(self, session: Session, channel: AbstractChannel, work: _Work) -> None:
        self._session = session
        self._channel = channel
        self._work = work
        self._arrived: list[AbstractIncomingMessage] = []
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self.consumer_tag = ""
        self.ended = asyncio.create_task(self._run(), name=f"worker of {work.queue}")

    async def take(self, message: AbstractIncomingMessage) -> None:
        """Keep a message for the next batch."""
        self._arrived.append(message)
        self._changed.set()

    def stop(self) -> None:
        """Begin no further batch, and do not retry the one in hand."""
        self._stopping.set()
        self._changed.set()

    async def cancel(self) -> None:
        """Ask the broker to send nothing more."""
        if self.consumer_tag:
            channel = await self._channel.get_underlay_channel()
            await channel.basic_cancel(self.consumer_tag)

    async def close(self, session: Session) -> None:
        """Give back what was not acknowledged."""
        if session is self._session:
            await session.close_channel(self._channel)

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            async with self._work.turn:
                if self._stopping.is_set():
                    return
                self._changed.clear()
                batch, self._arrived = self._arrived, []
                await self._digest(batch)

    async def _digest(self, batch: Sequence[AbstractIncomingMessage]) -> None:
        work = self._work
        messages = [as_event_message(delivery, work.queue) for delivery in batch]
        undone = await digest(messages, work.handle, self._set_aside, queue=work.queue, give_up=self._stopping)
        try:
            with translated():
                await self._acknowledge(batch, messages, {id(message) for message in undone})
        except BusAway:
            pass  # the channel is gone: all of it comes again, and handlers expect that

    async def _set_aside(self, error: Undigestible) -> None:
        await self._work.park(self._work.queue, [error])

    async def _acknowledge(
        self, batch: Sequence[AbstractIncomingMessage], messages: Sequence[EventMessage], undone: set[int]
    ) -> None:
        if not undone:
            await batch[-1].ack(multiple=True)
            return
        for delivery, message in zip(batch, messages, strict=True):
            if id(message) not in undone:
                await delivery.ack()
