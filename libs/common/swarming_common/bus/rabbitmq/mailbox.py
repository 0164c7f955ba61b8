"""A mailbox on RabbitMQ: an exclusive queue that goes with its connection and is made again with the next."""

from aio_pika.abc import AbstractQueue
from aiormq.abc import DeliveredMessage

from swarming_common.bus.packing import read_pack
from swarming_common.bus.parked_hints import HintParking
from swarming_common.bus.port import HintReader
from swarming_common.bus.rabbitmq.link import Link
from swarming_common.bus.rabbitmq.parked_message import replays_of
from swarming_common.bus.rabbitmq.session import Session
from swarming_common.bus.routing import check_key
from swarming_common.hints.wire import UnreadableHint

MAX_MESSAGES = 10_000
"""Packs that wait for a reader that hangs; beyond it the oldest go."""


class RabbitMQMailbox:
    """Reads its addresses in every session."""

    def __init__(self, link: Link, read: HintReader, parking: HintParking) -> None:
        self._link = link
        self._read = read
        self._parking = parking
        self._addresses: set[str] = set()
        self._queue: AbstractQueue | None = None
        self._consumer_tag: str | None = None
        self._is_closed = False

    async def listen(self, address: str) -> None:
        """See the port. While the broker is away it returns at once; the address is read from the reconnection on."""
        check_key(address)
        self._addresses.add(address)
        await self._link.change(lambda session: self._bind(session, address))

    async def ignore(self, address: str) -> None:
        """See the port."""
        self._addresses.discard(address)
        await self._link.change(lambda session: self._unbind(session, address))

    async def close(self) -> None:
        """See the port."""
        await self.finish()
        self._link.leave(self)
        await self._link.change(self._delete)

    async def finish(self) -> None:
        """Read nothing more."""
        self._is_closed = True

    async def attach(self, session: Session) -> None:
        """Make the queue with all its bindings, and read it."""
        if self._is_closed:
            return
        self._queue = await session.mailbox_channel.declare_queue(
            exclusive=True,
            auto_delete=True,
            arguments={"x-max-length": MAX_MESSAGES, "x-overflow": "drop-head"},
        )
        for address in tuple(self._addresses):
            await self._bind(session, address)
        # Below the level of messages with all their properties, which hints do not use.
        consuming = await session.mailbox_underlay.basic_consume(self._queue.name, self._deliver, no_ack=True)
        self._consumer_tag = consuming.consumer_tag

    def detach(self) -> None:
        """The queue went with its connection."""
        self._queue = self._consumer_tag = None

    async def _deliver(self, message: DeliveredMessage) -> None:
        if not self._is_closed:
            read_pack(message.body, self._read, lambda hint: self._park(message, hint))

    def _park(self, message: DeliveredMessage, hint: UnreadableHint) -> None:
        address = getattr(message.delivery, "routing_key", None) or ""
        self._parking.park(address, hint, replays_of(message.header.properties.headers))

    async def _bind(self, session: Session, address: str) -> None:
        if self._queue is not None and address in self._addresses:
            await self._queue.bind(session.hints_exchange, address)

    async def _unbind(self, session: Session, address: str) -> None:
        if self._queue is not None and address not in self._addresses:
            await self._queue.unbind(session.hints_exchange, address)

    async def _delete(self, session: Session) -> None:
        if self._consumer_tag is not None:
            # The queue goes with its last consumer. Deleting it would make the broker cancel the consumer unasked.
            await session.mailbox_underlay.basic_cancel(self._consumer_tag)
            self.detach()
