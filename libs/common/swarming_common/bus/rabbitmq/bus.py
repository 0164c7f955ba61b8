"""The bus on RabbitMQ: hints on a transient direct exchange, events on a durable topic exchange."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

from swarming_common.bus.handling import park_notes
from swarming_common.bus.packing import OutgoingHints
from swarming_common.bus.parked import Parked, this_process
from swarming_common.bus.parked_hints import MAX_AT_ONCE, HintParking
from swarming_common.bus.port import BusAway, EventMessage, EventsHandler, HintReader, Undigestible
from swarming_common.bus.rabbitmq.link import Link
from swarming_common.bus.rabbitmq.mailbox import RabbitMQMailbox
from swarming_common.bus.rabbitmq.session import EVENTS_EXCHANGE, Outgoing, Session, event_properties
from swarming_common.bus.rabbitmq.subscription import RabbitMQSubscription
from swarming_common.bus.routing import check_key
from swarming_common.hints.wire import Hint

FLUSH_SECONDS = 1.0


async def open_rabbitmq(url: str, service: str = "swarming") -> "RabbitMQBus":
    """Connect to amqp://user:password@host/vhost; returns after the first attempt, also when it failed.

    The bus goes on trying; `connected` tells when it is there. What is opened and subscribed meanwhile comes into
    being with the connection, and then `on_reconnect` is called. `service` signs what is parked.
    """
    bus = RabbitMQBus(url, service)
    await bus.open()
    return bus


class RabbitMQBus:
    """See the port, and `open_rabbitmq`."""

    def __init__(self, url: str, service: str) -> None:
        self._link = Link(url, self._send_hints)
        self._process = this_process(service)
        self._parked_hints: deque[Parked] = deque(maxlen=MAX_AT_ONCE)
        self._hint_parking = HintParking(self._process, self._park_soon)
        self._has_hints = asyncio.Event()
        self._hints = OutgoingHints(self._has_hints.set)
        self._is_closed = False

    async def open(self) -> None:
        """Make the first attempt to connect."""
        await self._link.open()

    @property
    def connected(self) -> bool:
        """Whether there is a session with everything in place."""
        return self._link.session is not None

    def on_reconnect(self, call: Callable[[], None]) -> None:
        """See the port; a first connection that comes after `open_rabbitmq` returned counts too."""
        self._link.on_reconnect.append(call)

    def send(self, address: str, hint: Hint) -> None:
        """See the port."""
        if not self._is_closed:
            self._hints.add(address, hint)

    async def open_mailbox(self, read: HintReader) -> RabbitMQMailbox:
        """See the port."""
        mailbox = RabbitMQMailbox(self._link, read, self._hint_parking)
        await self._link.join(mailbox)
        return mailbox

    async def publish(self, messages: Sequence[EventMessage]) -> None:
        """See the port; safe means that the broker has confirmed it."""
        for message in messages:
            check_key(message.routing_key)
        if not messages:
            return
        if self._link.session is None:
            raise BusAway
        await self._link.session.publish(
            [Outgoing(EVENTS_EXCHANGE, one.routing_key, one.body, event_properties(one.body)) for one in messages]
        )

    async def subscribe(self, queue: str, patterns: Sequence[str], handle: EventsHandler) -> RabbitMQSubscription:
        """See the port. While the broker is away, the queue comes into being with the connection."""
        subscription = RabbitMQSubscription(self._link, queue, patterns, handle, self.park)
        await self._link.join(subscription)
        return subscription

    async def park(self, queue: str, what: Sequence[Undigestible]) -> None:
        """See the port; safe means that the broker has confirmed it."""
        if self._link.session is None:
            raise BusAway
        await self._link.session.put_aside(park_notes(queue, what, self._process))

    async def close(self) -> None:
        """See the port."""
        await asyncio.gather(*(member.finish() for member in tuple(self._link.members)))
        self._is_closed = True
        session = self._link.session
        if session is not None:
            try:
                async with asyncio.timeout(FLUSH_SECONDS):
                    await self._flush(session)
            except (BusAway, TimeoutError):
                pass  # as far as that is possible at once
        await self._link.close()

    async def _send_hints(self, session: Session) -> None:
        while True:
            await self._has_hints.wait()
            self._has_hints.clear()
            await self._flush(session)

    async def _flush(self, session: Session) -> None:
        await session.send_hints(self._hints.take())
        if self._parked_hints:
            parked = list(self._parked_hints)
            self._parked_hints.clear()
            await session.try_to_put_aside(parked)

    def _park_soon(self, parked: Parked) -> None:
        self._parked_hints.append(parked)
        self._has_hints.set()
