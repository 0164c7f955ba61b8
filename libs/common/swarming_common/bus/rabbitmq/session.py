"""One stretch of being connected to RabbitMQ: it begins with all channels open and ends when any of them ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractExchange, HeadersType
from aio_pika.connection import make_url
from aiormq import spec
from aiormq.channel import Channel as UnderlayChannel
from aiormq.exceptions import AMQPError, ChannelNotFoundEntity, PublishError

from swarming_common.bus.parked import Parked
from swarming_common.bus.port import BusAway
from swarming_common.bus.rabbitmq.parked_message import PARKED_QUEUE, PARKED_QUEUE_ARGUMENTS, as_properties

HINTS_EXCHANGE = "swarming.hints"
EVENTS_EXCHANGE = "swarming.events"

HEARTBEAT_SECONDS = 4
"""A broker that was cut off without a word is noticed after 15 s; an event loop may be busy for 4 s without harm."""

CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 5.0
"""For declarations and bindings, which take milliseconds."""

CONFIRM_SECONDS = 10.0
"""A broker that is low on memory or disk confirms nothing; publishers try again, from the rows."""

CLOSE_SECONDS = 3.0
"""The library itself waits 2 s for a broker to agree, and must not be disturbed in that."""

CLOSE_CHANNEL_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to publish with a confirm. What goes to no exchange goes to the queue that the key names."""

    exchange: str
    routing_key: str
    body: bytes
    properties: spec.Basic.Properties
    must_arrive: bool = False
    """Whether it is an error that no queue takes it."""


TRANSIENT = spec.Basic.Properties(delivery_mode=1, message_id="-")
"""The id saves the library from drawing a random one for each message."""

# They report each failed attempt as an error, at length; the link logs it once, as `bus_away`.
logging.getLogger("aiormq.connection").setLevel(logging.CRITICAL)
logging.getLogger("aiormq.channel").setLevel(logging.CRITICAL)


class Unread(BusAway):
    """A message had to arrive, and no queue took it."""


class Session:
    """Two connections: a broker in need blocks the one that publishes, and the other must go on to acknowledge.

    `lost` holds the reason, once the session is of no more use.
    """

    def __init__(self, publishing: AbstractConnection, consuming: AbstractConnection) -> None:
        self._publishing = publishing
        self._consuming = consuming
        self._channels: dict[UnderlayChannel, AbstractChannel] = {}
        self.lost: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str) -> "Session":
        """Connect, and make what is missing on the broker. Raises BusAway."""
        with translated():
            publishing = await _connect(url, "swarming: publishes")
            try:
                consuming = await _connect(url, "swarming: reads")
            except BaseException:
                await _close(publishing, CLOSE_SECONDS)
                raise
        session = cls(publishing, consuming)
        try:
            with translated():
                async with asyncio.timeout(ANSWER_SECONDS):
                    await session._prepare()
        except BaseException:
            await session.close()
            raise
        return session

    async def open_reading_channel(self) -> tuple[AbstractChannel, UnderlayChannel]:
        """A channel of one's own to read from, in both its forms; when it ends unasked, so does the session."""
        return await self._open_channel(self._consuming)

    async def close_channel(self, channel: AbstractChannel) -> None:
        """Close a channel that is not needed any more."""
        self._channels.pop(await _underlay(channel), None)
        await channel.close()

    def lose(self, reason: str) -> None:
        """Declare the session useless; a new one takes its place."""
        if not self.lost.done():
            self.lost.set_result(reason)

    async def send_hints(self, packs: Sequence[tuple[str, bytes]]) -> None:
        """Write packed hints to the socket; waits only while the broker takes nothing. Raises BusAway."""
        with translated():
            for number, (address, body) in enumerate(packs, start=1):
                await self._hints.basic_publish(
                    body,
                    exchange=HINTS_EXCHANGE,
                    routing_key=address,
                    properties=TRANSIENT,
                    wait=number == len(packs),
                )

    async def publish(self, messages: Sequence[Outgoing]) -> None:
        """Publish in order, all at once, and wait for all confirms; raises BusAway if one does not come, and Unread
        for a message that had to arrive and that no queue takes."""
        if not all(await self.publish_each(messages)):
            raise Unread

    async def publish_each(self, messages: Sequence[Outgoing]) -> list[bool]:
        """The same, saying of each whether it arrived anywhere. Raises BusAway."""
        with translated():
            async with asyncio.timeout(CONFIRM_SECONDS):
                answers = await asyncio.gather(
                    *(
                        self._events.basic_publish(
                            message.body,
                            exchange=message.exchange,
                            routing_key=message.routing_key,
                            properties=message.properties,
                            mandatory=message.must_arrive,
                            wait=False,
                        )
                        for message in messages
                    ),
                    return_exceptions=True,
                )
        for answer in answers:
            if isinstance(answer, BaseException) and not isinstance(answer, PublishError):
                raise BusAway(f"not confirmed: {answer!r}") from answer
        return [not isinstance(answer, PublishError) for answer in answers]

    async def put_aside(self, parked: Sequence[Parked]) -> None:
        """Put messages into the dead-letter queue, with confirms. Raises BusAway."""
        try:
            await self.publish([Outgoing("", PARKED_QUEUE, one.body, as_properties(one), True) for one in parked])
        except Unread:
            self.lose("somebody deleted the dead-letter queue")  # the next session makes it again
            raise

    async def try_to_put_aside(self, parked: Sequence[Parked]) -> None:
        """The same for what may be lost, without waiting for confirms."""
        with translated():
            for one in parked:
                await self._hints.basic_publish(one.body, routing_key=PARKED_QUEUE, properties=as_properties(one))

    async def close(self) -> None:
        """Disconnect; what was sent before arrives. Repeats safely."""
        self.lose("closed")
        await self._close_channels()  # the broker answers when it has taken all that was sent there
        await asyncio.gather(*(_close(one, CLOSE_SECONDS) for one in (self._publishing, self._consuming)))
        await self._close_channels()  # lets the library's last callbacks run, if that was not possible before

    async def _close_channels(self) -> None:
        await asyncio.gather(*(_close(channel, CLOSE_CHANNEL_SECONDS) for channel in self._channels.values()))

    @asynccontextmanager
    async def scratch_channel(self) -> AsyncIterator[AbstractChannel]:
        """A channel for what the broker may refuse: its end does not end the session."""
        channel = await self._consuming.channel(publisher_confirms=False)
        try:
            yield channel
        finally:
            await _close(channel, CLOSE_CHANNEL_SECONDS)

    async def _prepare(self) -> None:
        self.mailbox_channel, self.mailbox_underlay = await self.open_reading_channel()
        _, self._hints = await self._open_channel(self._publishing)
        _, self._events = await self._open_channel(self._publishing, confirms=True)
        self.hints_exchange: AbstractExchange = await self.mailbox_channel.declare_exchange(
            HINTS_EXCHANGE, aio_pika.ExchangeType.DIRECT
        )
        await self.mailbox_channel.declare_exchange(EVENTS_EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        await self._make_parked_queue()

    async def _make_parked_queue(self) -> None:
        try:
            # Another release may have given it other bounds, or an operator: it does its work all the same.
            async with self.scratch_channel() as channel:
                await channel.declare_queue(PARKED_QUEUE, passive=True)
        except ChannelNotFoundEntity:
            await self.mailbox_channel.declare_queue(PARKED_QUEUE, durable=True, arguments=PARKED_QUEUE_ARGUMENTS)

    async def _open_channel(
        self, connection: AbstractConnection, *, confirms: bool = False
    ) -> tuple[AbstractChannel, UnderlayChannel]:
        channel = await connection.channel(publisher_confirms=confirms, on_return_raises=confirms)
        underlay = await _underlay(channel)
        self._channels[underlay] = channel

        def ended(reason: str) -> None:
            if underlay in self._channels:
                self.lose(reason)

        underlay.closing.add_done_callback(lambda closing: ended(_reason(closing)))
        # The broker does that when somebody deletes a queue that is read.
        underlay.on_consumer_cancel_callbacks.add(lambda frame: ended(f"{frame.consumer_tag} was cancelled"))
        return channel, underlay


@contextmanager
def translated() -> Iterator[None]:
    """Turn the client library's errors into BusAway."""
    try:
        yield
    except asyncio.CancelledError as error:
        # The library cancels what waits on a connection that it closes; only a cancellation meant for us may pass.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise BusAway("the connection was closed") from error
    except (AMQPError, OSError, RuntimeError) as error:
        raise BusAway(f"{type(error).__name__}: {error}") from error


async def _connect(url: str, name: str) -> AbstractConnection:
    connection = aio_pika.Connection(
        make_url(url, heartbeat=HEARTBEAT_SECONDS), client_properties={"connection_name": name}
    )
    try:
        await connection.connect(timeout=CONNECT_SECONDS)
    except BaseException:
        # Else its finalizer would try to, at any time and in any thread.
        await _close(connection, CLOSE_SECONDS)
        raise
    return connection


async def _close(closable: AbstractConnection | AbstractChannel, seconds: float) -> None:
    try:
        with translated():
            async with asyncio.timeout(seconds):
                await closable.close()
    except BusAway:
        pass  # it is closed, and nobody cares how


async def _underlay(channel: AbstractChannel) -> UnderlayChannel:
    underlay = await channel.get_underlay_channel()
    assert isinstance(underlay, UnderlayChannel)
    return underlay


def event_properties(body: bytes, headers: HeadersType | None = None) -> spec.Basic.Properties:
    """What other systems expect of a message with events."""
    kind = "application/cloudevents-batch+json" if body.startswith(b"[") else "application/cloudevents+json"
    return spec.Basic.Properties(delivery_mode=2, content_type=f"{kind}; charset=utf-8", headers=headers)


def _reason(closing: "asyncio.Future[object]") -> str:
    if closing.cancelled() or (error := closing.exception()) is None:
        return "a channel was closed"
    return f"{type(error).__name__}: {error}"
