"""What only RabbitMQ's adapter has: a connection that is lost, and a broker that is away or comes back empty."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any

import aio_pika
import pytest

from swarming_common.bus import packing
from swarming_common.bus.parked import MAX_PARKED_BYTES, MAX_PARKED_MESSAGES
from swarming_common.bus.port import BusAway, EventMessage
from swarming_common.bus.rabbitmq import RabbitMQBus, open_rabbitmq, session, subscription
from swarming_common.bus.rabbitmq.subscription import QUORUM
from swarming_common.hints.wire import Hint
from swarming_common.testing.contracts.bus import Worker, a_hint, events
from swarming_common.testing.contracts.waiting import Arrivals, soon
from tests.servers import Servers

pytestmark = pytest.mark.real("rabbitmq")


@pytest.fixture
def broker(private_servers: Servers) -> Iterator[Servers]:
    yield private_servers
    private_servers.resume()


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitMQBus]:
    bus = await open_rabbitmq(rabbitmq_url)
    yield bus
    await bus.close()


async def test_a_lost_connection_comes_back_with_mailboxes_and_queues(bus: RabbitMQBus, broker: Servers):
    ears = await Ears.at(bus)

    broker.rabbitmq.cut_connections()
    await ears.reconnected.wait_for(1)

    assert bus.connected
    await ears.assert_all_is_heard()


async def test_a_broker_that_comes_back_empty_is_furnished_again(bus: RabbitMQBus, broker: Servers):
    ears = await Ears.at(bus)

    await asyncio.to_thread(broker.rabbitmq.restart_empty)
    await ears.reconnected.wait_for(1)

    await ears.assert_all_is_heard()


async def test_queues_are_durable_and_replicated(bus: RabbitMQBus, rabbitmq_url: str):
    # Killing the broker right here would show a fault of RabbitMQ: in its first half second a quorum queue does not
    # survive that (rabbitmq-server#10070).
    await bus.subscribe("stats", ["task.#"], Worker())

    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        # The broker refuses another way of declaring what is there.
        await channel.declare_queue("stats", durable=True, arguments=QUORUM)
        bounds: dict[str, Any] = {
            "x-max-length": MAX_PARKED_MESSAGES,
            "x-max-length-bytes": MAX_PARKED_BYTES,
            "x-overflow": "drop-head",
        }
        await channel.declare_queue("swarming.parked", durable=True, arguments=QUORUM | bounds)
        await channel.declare_exchange("swarming.events", "topic", durable=True)


async def test_no_event_is_lost_or_overtaken_when_the_connection_is_cut_in_mid_flight(
    bus: RabbitMQBus, broker: Servers, rabbitmq_url: str
):
    reconnected = reconnections(bus)
    reader = await open_rabbitmq(rabbitmq_url)
    worker = Worker()
    await reader.subscribe("stats", ["task.#"], worker)

    publishing = asyncio.create_task(publish_stubbornly(bus, events(0, 3000)))
    for times in range(1, 4):
        await worker.handled.wait_for(500 * times)
        broker.rabbitmq.cut_connections()
        await reconnected.wait_for(times)
    await soon(publishing)

    async with asyncio.timeout(20):
        while worker.handled.all[-1:] != events(2999, 3000):
            await worker.handled.wait_for(len(worker.handled.all) + 1)
    assert list(dict.fromkeys(worker.handled.all)) == events(0, 3000)
    await reader.close()


async def test_a_handler_is_never_called_twice_at_once(bus: RabbitMQBus, broker: Servers):
    reconnected = reconnections(bus)
    worker = Worker()
    worker.may_go_on.clear()
    await bus.subscribe("stats", ["task.#"], worker)
    await bus.publish(events(0, 1))
    await worker.called.wait_for(1)

    broker.rabbitmq.cut_connections()
    await reconnected.wait_for(1)
    await bus.publish(events(1, 2))
    called_meanwhile = len(worker.called.all)
    worker.may_go_on.set()

    assert called_meanwhile == 1
    # Its first acknowledgement was lost with the connection, so the first one comes again.
    assert await worker.handled.wait_for(3) == [*events(0, 1), *events(0, 2)]


async def test_while_the_broker_is_away_publishing_raises_and_the_newest_hints_wait(
    bus: RabbitMQBus, broker: Servers, rabbitmq_url: str
):
    ears = await Ears.at(bus)
    broker.rabbitmq.refuse()
    await until_away(bus)

    with pytest.raises(BusAway):
        await bus.publish(events(0, 1))
    for number in range(packing.MAX_WAITING_HINTS + 5):
        bus.send("shard.1", a_hint(number))
    broker.rabbitmq.resume()

    heard = await ears.hints.wait_for(packing.MAX_WAITING_HINTS)
    assert heard == [a_hint(number) for number in range(5, packing.MAX_WAITING_HINTS + 5)]


async def test_a_service_that_starts_while_the_broker_is_away_comes_up_with_it(rabbitmq_url: str, broker: Servers):
    broker.rabbitmq.refuse()

    bus = await soon(open_rabbitmq(rabbitmq_url))
    was_connected = bus.connected
    ears = await soon(Ears.at(bus))
    broker.rabbitmq.resume()
    await ears.reconnected.wait_for(1)

    assert (was_connected, bus.connected) == (False, True)
    await ears.assert_all_is_heard()
    await bus.close()


async def test_what_was_given_up_while_the_broker_is_away_does_not_come_back_with_it(bus: RabbitMQBus, broker: Servers):
    reconnected = reconnections(bus)
    given_up: Arrivals[Hint] = Arrivals()
    kept: Arrivals[Hint] = Arrivals()
    mailbox, closed = await bus.open_mailbox(kept), await bus.open_mailbox(given_up)
    worker = Worker()
    subscription = await bus.subscribe("stats", ["task.#"], worker)
    for address in ("shard.1", "shard.2"):
        await mailbox.listen(address)
        await closed.listen(address)
    broker.rabbitmq.refuse()
    await until_away(bus)

    await mailbox.ignore("shard.1")
    await closed.close()
    await subscription.close()
    broker.rabbitmq.resume()
    await reconnected.wait_for(1)
    bus.send("shard.1", a_hint(1))
    bus.send("shard.2", a_hint(2))
    await bus.publish(events(0, 1))

    assert await kept.wait_for(1) == [a_hint(2)]
    assert given_up.all == []
    assert worker.called.all == []


async def test_a_broker_that_falls_silent_makes_publishing_fail_and_does_not_hold_up_the_end(
    rabbitmq_url: str, broker: Servers, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session, "CONFIRM_SECONDS", 0.1)
    bus = await open_rabbitmq(rabbitmq_url)
    await Ears.at(bus)

    broker.rabbitmq.freeze()

    with pytest.raises(BusAway):
        await bus.publish(events(0, 1))
    await soon(bus.close())


async def test_a_queue_that_somebody_deletes_is_made_again(bus: RabbitMQBus, rabbitmq_url: str):
    ears = await Ears.at(bus)

    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.queue_delete("stats")
    await ears.reconnected.wait_for(1)

    await ears.assert_all_is_heard()


async def test_a_queue_that_the_broker_refuses_keeps_nobody_else_up(
    bus: RabbitMQBus, rabbitmq_url: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(subscription, "REFUSED_RETRY_SECONDS", 0.05)
    ears = await Ears.at(bus)
    worker = Worker()
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.declare_queue("odd", durable=False, auto_delete=False)

        await bus.subscribe("odd", ["task.#"], worker)
        was_connected = bus.connected
        await ears.assert_all_is_heard()
        await channel.queue_delete("odd")

    async with asyncio.timeout(20):
        while not worker.handled.all:
            await bus.publish(events(5, 6))
            await asyncio.sleep(0.05)
    assert was_connected
    assert bus.connected
    assert ears.reconnected.all == []


async def test_a_queue_that_the_broker_refuses_in_each_session_is_tried_again_by_one(
    bus: RabbitMQBus, broker: Servers, rabbitmq_url: str
):
    reconnected = reconnections(bus)
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.declare_queue("odd", durable=False, auto_delete=False)
    await bus.subscribe("odd", ["task.#"], Worker())

    for times in (1, 2):
        broker.rabbitmq.cut_connections()
        await reconnected.wait_for(times)
    trying = [task for task in asyncio.all_tasks() if task.get_name() == "retry of odd"]

    assert len(trying) == 1


async def test_events_look_like_cloud_events_to_other_systems(bus: RabbitMQBus, rabbitmq_url: str):
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind("swarming.events", "task.#")

        await bus.publish([EventMessage("task.queued.s01.p", b"{}"), EventMessage("task.queued.s01.p", b"[{},{}]")])

        single, pack = await queue.get(no_ack=True), await queue.get(no_ack=True)
    assert single.content_type == "application/cloudevents+json; charset=utf-8"
    assert pack.content_type == "application/cloudevents-batch+json; charset=utf-8"
    assert single.delivery_mode == aio_pika.DeliveryMode.PERSISTENT


async def test_a_broker_that_refuses_the_account_leaves_the_bus_away(rabbitmq_url: str):
    wrong = rabbitmq_url.replace("//", "//nobody:wrong@").replace("wrong@guest:guest@", "wrong@")

    bus = await soon(open_rabbitmq(wrong))

    assert not bus.connected
    await bus.close()


class Ears:
    """All that a service listens with."""

    def __init__(self, bus: RabbitMQBus) -> None:
        self._bus = bus
        self.hints: Arrivals[Hint] = Arrivals()
        self.worker = Worker()
        self.reconnected = reconnections(bus)

    @classmethod
    async def at(cls, bus: RabbitMQBus) -> "Ears":
        ears = cls(bus)
        mailbox = await bus.open_mailbox(ears.hints)
        await mailbox.listen("shard.1")
        await bus.subscribe("stats", ["task.#"], ears.worker)
        return ears

    async def assert_all_is_heard(self) -> None:
        self._bus.send("shard.1", a_hint(77))
        await soon(self._bus.publish(events(77, 79)))

        assert await self.hints.wait_for(1) == [a_hint(77)]
        assert await self.worker.handled.wait_for(2) == events(77, 79)


def reconnections(bus: RabbitMQBus) -> Arrivals[bool]:
    reconnected: Arrivals[bool] = Arrivals()
    bus.on_reconnect(lambda: reconnected(bus.connected))
    return reconnected


async def until_away(bus: RabbitMQBus) -> None:
    async with asyncio.timeout(20):
        while bus.connected:  # noqa: ASYNC110 # nobody tells that a connection is lost
            await asyncio.sleep(0.001)


async def publish_stubbornly(bus: RabbitMQBus, messages: Sequence[EventMessage]) -> None:
    """As a relay does it: again from the first one that is not known to be safe."""
    for first in range(0, len(messages), 10):
        while True:
            try:
                await bus.publish(messages[first : first + 10])
                break
            except BusAway:
                await asyncio.sleep(0.01)
