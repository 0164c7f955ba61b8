"""The dead-letter queue on RabbitMQ as an operator sees it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from itertools import islice

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aiormq import spec
from aiormq.exceptions import ChannelLockedResource

from swarming_common.bus.parked import MAX_PARKED_MESSAGES, Origin, Outcome, Parked, ParkingBusy
from swarming_common.bus.rabbitmq.parked_message import (
    PARKED_QUEUE,
    REPLAYS_HEADER,
    ROUTING_KEY_HEADER,
    as_parked,
)
from swarming_common.bus.rabbitmq.session import (
    HINTS_EXCHANGE,
    Outgoing,
    Session,
    event_properties,
    translated,
)

OPERATOR_LOCK = "swarming.parked.operator"
"""An exclusive queue that is there while somebody looks: two would each see a part."""

REPLAYED_AT_ONCE = 100

ARRIVAL_SECONDS = 10.0
"""For the next message that the broker says is there."""


@asynccontextmanager
async def rabbitmq_parking(url: str) -> AsyncIterator["RabbitMQParking"]:
    """Connect for a short look. Raises BusAway, with the reason."""
    session = await Session.open(url)
    try:
        yield RabbitMQParking(session)
    finally:
        await session.close()


class RabbitMQParking:
    """See Parking. AMQP cannot look at a queue: messages are taken out unacknowledged, and those that were not
    acknowledged are put back at their place, at the latest when the channel closes."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def parked(self, limit: int = MAX_PARKED_MESSAGES) -> Sequence[Parked]:
        """See Parking."""
        with translated():
            async with self._taken_out(limit) as messages:
                return [as_parked(message) for message in messages]

    async def replay(self, ids: Collection[str] | None = None) -> Outcome:
        """See Parking."""
        done: list[str] = []
        unread: list[str] = []
        with translated():
            async with self._taken_out(MAX_PARKED_MESSAGES, ids) as messages:
                groups = iter(_alike(_chosen(messages, ids)))
                while some := list(islice(groups, REPLAYED_AT_ONCE)):
                    arrived = await self._session.publish_each([_replay(alike[-1][1]) for alike in some])
                    for alike, is_read in zip(some, arrived, strict=True):
                        for message, parked in alike:
                            if is_read:
                                # Only now: a crash in between brings it twice, which its reader expects.
                                await message.ack()
                            (done if is_read else unread).append(parked.id)
        return Outcome(done, unread)

    async def drop(self, ids: Collection[str] | None = None) -> Outcome:
        """See Parking."""
        done = []
        with translated():
            async with self._taken_out(MAX_PARKED_MESSAGES, ids) as messages:
                for message, parked in _chosen(messages, ids):
                    await message.ack()
                    done.append(parked.id)
        return Outcome(done)

    @asynccontextmanager
    async def _taken_out(
        self, limit: int, ids: Collection[str] | None = None
    ) -> AsyncIterator[Sequence[AbstractIncomingMessage]]:
        """The oldest, to the limit or until all of these are found."""
        async with self._session.scratch_channel() as channel:
            await _lock(channel)
            try:
                messages = await _take(channel, limit, ids)
                yield sorted(messages, key=lambda one: as_parked(one).parked_at)
            finally:
                await _put_back(channel)
                await channel.queue_delete(OPERATOR_LOCK)


async def _take(channel: AbstractChannel, limit: int, ids: Collection[str] | None) -> list[AbstractIncomingMessage]:
    queue = await channel.declare_queue(PARKED_QUEUE, passive=True)
    count = min(limit, queue.declaration_result.message_count or 0)
    missing = None if ids is None else set(ids)
    arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
    await channel.set_qos(prefetch_count=limit)
    consumer_tag = await queue.consume(arrived.put)
    messages: list[AbstractIncomingMessage] = []
    while len(messages) < count and missing != set():
        async with asyncio.timeout(ARRIVAL_SECONDS):
            message = await arrived.get()
        messages.append(message)
        if missing is not None:
            missing.discard(as_parked(message).id)
    await queue.cancel(consumer_tag)
    return messages


async def _put_back(channel: AbstractChannel) -> None:
    """The closing channel would do it too, but some time later: whoever looked next might miss some."""
    underlay = await channel.get_underlay_channel()
    await underlay.basic_recover(requeue=True)
    await channel.declare_queue(PARKED_QUEUE, passive=True)  # answered by the queue, after what it was given back


async def _lock(channel: AbstractChannel) -> None:
    try:
        await channel.declare_queue(OPERATOR_LOCK, exclusive=True, auto_delete=True)
    except ChannelLockedResource as error:
        raise ParkingBusy from error


Taken = tuple[AbstractIncomingMessage, Parked]


def _chosen(messages: Sequence[AbstractIncomingMessage], ids: Collection[str] | None) -> list[Taken]:
    pairs = [(message, as_parked(message)) for message in messages]
    return [pair for pair in pairs if ids is None or pair[1].id in ids]


def _alike(chosen: Sequence[Taken]) -> list[list[Taken]]:
    """What is brought back as one message: a hint to many readers, each of whom parked it, reaches them all again."""
    groups: dict[tuple[str, bytes] | str, list[Taken]] = {}
    for message, parked in chosen:
        key = (parked.source, parked.body) if parked.origin is Origin.MAILBOX else parked.id
        groups.setdefault(key, []).append((message, parked))
    return list(groups.values())


def _replay(parked: Parked) -> Outgoing:
    replays: dict[str, str | int] = {REPLAYS_HEADER: parked.tries}
    if parked.origin is Origin.MAILBOX:
        properties = spec.Basic.Properties(delivery_mode=1, headers=dict(replays))
        return Outgoing(HINTS_EXCHANGE, parked.source, parked.body, properties, must_arrive=True)
    headers = {**parked.headers, **replays, ROUTING_KEY_HEADER: parked.routing_key}
    return Outgoing("", parked.source, parked.body, event_properties(parked.body, dict(headers)), must_arrive=True)
