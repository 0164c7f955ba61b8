"""A worker on RabbitMQ: it reads a durable quorum queue and acknowledges what its handler has digested."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq import spec
from aiormq.abc import ArgumentsType

from swarming_common.bus.handling import digest
from swarming_common.bus.port import BusAway, EventMessage, EventsHandler
from swarming_common.bus.rabbitmq.link import Link
from swarming_common.bus.rabbitmq.session import Session, translated

MAX_UNACKNOWLEDGED = 100
"""How much the broker sends ahead, and so the largest batch; small enough to share a backlog among workers."""

QUORUM: ArgumentsType = {
    "x-queue-type": "quorum",
    # RabbitMQ 4 drops what came back 20 times; a worker that is killed again and again must not lose events.
    "x-delivery-limit": 1_000_000,
}

MAX_REASON_CHARACTERS = 1000
"""Headers must fit into one frame."""


class RabbitMQSubscription:
    """Reads its queue in every session; one batch at a time, also while one session follows another."""

    def __init__(self, link: Link, queue: str, patterns: Sequence[str], handle: EventsHandler) -> None:
        self._link = link
        self._queue = queue
        self._patterns = tuple(patterns)
        self._handle = handle
        self._turn = asyncio.Lock()
        self._reading: _Reading | None = None
        self._readings: set[_Reading] = set()
        self._is_closed = False

    async def attach(self, session: Session) -> None:
        """Make the queue, its bindings and the queue for what is parked, and read."""
        if self._is_closed:
            return
        channel, _ = await session.open_reading_channel()
        await channel.set_qos(prefetch_count=MAX_UNACKNOWLEDGED)
        await channel.declare_queue(parked_queue(self._queue), durable=True, arguments=QUORUM)
        queue = await channel.declare_queue(self._queue, durable=True, arguments=QUORUM)
        for pattern in self._patterns:
            await queue.bind(session.events_exchange, pattern)
        reading = self._reading = _Reading(session, channel, self._queue, self._handle, self._turn)
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

    async def _cancel(self, session: Session) -> None:
        if self._reading is not None:
            await self._reading.cancel()


class _Reading:
    """The worker within one session."""

    def __init__(
        self, session: Session, channel: AbstractChannel, queue: str, handle: EventsHandler, turn: asyncio.Lock
    ) -> None:
        self._session = session
        self._channel = channel
        self._queue = queue
        self._handle = handle
        self._turn = turn
        self._arrived: list[AbstractIncomingMessage] = []
        self._changed = asyncio.Event()
        self._stopping = asyncio.Event()
        self.consumer_tag = ""
        self.ended = asyncio.create_task(self._run(), name=f"worker of {queue}")

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
            async with self._turn:
                if self._stopping.is_set():
                    return
                self._changed.clear()
                batch, self._arrived = self._arrived, []
                await self._digest(batch)

    async def _digest(self, batch: Sequence[AbstractIncomingMessage]) -> None:
        messages = [EventMessage(message.routing_key or "", message.body) for message in batch]
        undone = await digest(messages, self._handle, self._park, queue=self._queue, give_up=self._stopping)
        try:
            with translated():
                await self._acknowledge(batch, messages, {id(message) for message in undone})
        except BusAway:
            pass  # the channel is gone: all of it comes again, and handlers expect that

    async def _acknowledge(
        self, batch: Sequence[AbstractIncomingMessage], messages: Sequence[EventMessage], undone: set[int]
    ) -> None:
        if not undone:
            await batch[-1].ack(multiple=True)
            return
        for delivery, message in zip(batch, messages, strict=True):
            if id(message) not in undone:
                await delivery.ack()

    async def _park(self, message: EventMessage, reason: str) -> None:
        # The host's clock: an operator reads it, nothing is decided by it.
        now = datetime.now(UTC)
        properties = spec.Basic.Properties(
            delivery_mode=2,
            content_type="application/json",
            timestamp=now,
            headers={
                "reason": reason[:MAX_REASON_CHARACTERS],
                "routing_key": message.routing_key,
                "parked_at": now.isoformat(),
            },
        )
        parked = EventMessage(parked_queue(self._queue), message.body)
        await self._session.publish([parked], exchange="", properties=properties)


def parked_queue(queue: str) -> str:
    """Where a queue's undigestible messages are."""
    return f"{queue}.parked"
