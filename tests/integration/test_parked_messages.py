"""The dead-letter queue on a real RabbitMQ, with the operator's command as people run it."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from sqlalchemy import Connection

from swarming_common.bus.parked import Parked, Parking, ParkingBusy
from swarming_common.bus.port import BusAway, EventMessage, Undigestible
from swarming_common.bus.rabbitmq import RabbitMQBus, open_rabbitmq
from swarming_common.bus.rabbitmq.parking import OPERATOR_LOCK, rabbitmq_parking
from swarming_common.bus.rabbitmq.session import Session
from swarming_common.database.port import Database
from swarming_common.database.tables import stats_cursor, stats_parked, task_event
from swarming_common.events import tasks
from swarming_common.events.consumer import EventConsumer
from swarming_common.events.envelope import KNOWN, Event, NumberedEvent, encode
from swarming_common.events.relay import cloud_event, events_after
from swarming_common.hints import wire
from swarming_common.hints.wire import Hint
from swarming_common.testing.contracts.bus import a_hint
from swarming_common.testing.contracts.parking import an_unknown_hint, an_upgrade, parked_soon
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, Arrivals, soon
from tests.unit.common.test_events import a_row

pytestmark = pytest.mark.real("rabbitmq")

QUEUE = "swarming.test"


class TaskCompletedTwo(Event):
    """What this release does not know yet."""

    name, version = "task.completed", 2


KNOWN_FACT = tasks.TaskCanceled(task_id="7c2236638dbfed10")
NEW_FACT = TaskCompletedTwo()
UPGRADED = KNOWN | {("task.completed", 2): TaskCompletedTwo}


class Consumer:
    """A service that counts events, and the table that they are in."""

    def __init__(self, database: Database, bus: RabbitMQBus) -> None:
        self._database = database
        self._bus = bus
        self.counted: Arrivals[int] = Arrivals()
        self._consumer = self._of_release(KNOWN)

    def upgrade(self) -> None:
        self._consumer = self._of_release(UPGRADED)

    async def handle(self, messages: Sequence[EventMessage]) -> None:
        await self._consumer.handle(messages)

    async def store(self, *facts: Event) -> list[NumberedEvent]:
        rows = [a_row(number, fact) for number, fact in enumerate(facts, 1)]
        await self._database.write(lambda c: c.execute(task_event.insert(), rows) and None)
        return [cloud_event(row) for row in await self._database.read(lambda c: events_after(c, 7, 0, 1000))]

    def _of_release(self, known: Any) -> EventConsumer:
        return EventConsumer(
            self._database, self._bus, QUEUE, cursors=stats_cursor, parked=stats_parked, work=self._work, known=known
        )

    def _work(self, connection: Connection, events: Sequence[NumberedEvent]) -> None:
        for event in events:
            self.counted(event.seq)


@pytest.fixture
async def bus(rabbitmq_url: str) -> AsyncIterator[RabbitMQBus]:
    bus = await open_rabbitmq(rabbitmq_url, "counter")
    yield bus
    await bus.close()


@pytest.fixture
async def consumer(bus: RabbitMQBus, sqlite_database: Database) -> Consumer:
    consumer = Consumer(sqlite_database, bus)
    await bus.subscribe(QUEUE, ["task.#"], consumer.handle)
    return consumer


@pytest.fixture
async def parking(rabbitmq_url: str) -> AsyncIterator[Parking]:
    async with rabbitmq_parking(rabbitmq_url) as parking:
        yield parking


async def admin(url: str, *arguments: str) -> tuple[int, str, str]:
    """`swarming admin …`, as a process."""
    program = Path(sys.executable).with_name("swarming")
    process = await asyncio.create_subprocess_exec(
        program, "admin", *arguments, "--bus-url", url, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await soon(process.communicate())
    return process.returncode or 0, out.decode(), err.decode()


async def test_an_operator_lists_what_is_parked_and_replays_it_after_an_upgrade(
    bus: RabbitMQBus, consumer: Consumer, parking: Parking, rabbitmq_url: str
):
    one, two, three = await consumer.store(KNOWN_FACT, NEW_FACT, KNOWN_FACT)
    await bus.publish([EventMessage("task.any.s07.p", body) for body in (encode([one, two, three]), b"no JSON")])
    await parked_soon(parking, 2)
    counted_before = list(consumer.counted.all)

    code, listed, _ = await admin(rabbitmq_url, "parked", "--json")
    newer, broken = json.loads(listed)
    shown = json.loads((await admin(rabbitmq_url, "parked", "show", newer["id"]))[1])
    consumer.upgrade()
    replayed = await admin(rabbitmq_url, "replay", newer["id"])
    await consumer.counted.wait_for(3)
    twice = await admin(rabbitmq_url, "replay", newer["id"])
    dropped = await admin(rabbitmq_url, "drop", "--all")

    assert code == 0
    assert counted_before == [1, 3]
    assert newer["reason"] == "version 2 of task.completed, this consumer knows 1"
    assert (newer["source"], newer["kind"], newer["tries"]) == (QUEUE, "swarming.task.completed.v2", 1)
    assert newer["process"].startswith("counter on ")
    assert json.loads(shown["body"])["seq"] == 2
    assert broken["reason"].startswith("not JSON")
    assert replayed[:2] == (0, "1 replayed\n")
    assert twice[0] == 1
    assert f"{newer['id']} is not parked" in twice[2]
    assert dropped[:2] == (0, "1 dropped\n")
    assert consumer.counted.all == [1, 3, 2]
    assert await parked_soon(parking, 0) == []


async def test_a_message_that_is_replayed_twice_is_counted_once(
    bus: RabbitMQBus, consumer: Consumer, parking: Parking, rabbitmq_url: str
):
    [new, known] = await consumer.store(NEW_FACT, KNOWN_FACT)
    await bus.publish([EventMessage("task.any.s07.p", encode([new, known]))])
    [parked] = await parked_soon(parking, 1)
    consumer.upgrade()

    await parking.replay()
    await consumer.counted.wait_for(2)
    # The operator's command died after its replay and before it took the message out: it is there again.
    await put_again(rabbitmq_url, parked)
    await parking.replay()
    await parked_soon(parking, 0)
    await bus.publish([EventMessage("task.any.s07.p", b"later")])
    await parked_soon(parking, 1)

    assert consumer.counted.all == [2, 1]


async def test_replaying_all_without_an_upgrade_parks_all_again(bus: RabbitMQBus, consumer: Consumer, parking: Parking):
    await bus.publish([EventMessage("task.any.s07.p", b"broken %d" % number) for number in range(20)])
    before = await parked_soon(parking, 20)

    outcome = await soon(parking.replay())
    after = await parked_soon(parking, 20, other_than=before[-1])

    assert list(outcome.done) == [one.id for one in before]
    assert {one.tries for one in after} == {2}
    assert {one.body for one in after} == {one.body for one in before}
    assert {one.routing_key for one in after} == {"task.any.s07.p"}


async def test_strangers_hints_in_one_message_with_good_ones(bus: RabbitMQBus, rabbitmq_url: str, parking: Parking):
    heard: Arrivals[Hint] = Arrivals()
    await (await bus.open_mailbox(heard)).listen("shard.1")
    good = json.loads(wire.encode([a_hint(1), a_hint(2)]))
    pack = [good[0], ["NoSuchHint", {"a": 1}], ["CommandGiven", {"command_id": 7}], 5, good[1]]

    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        exchange = await channel.get_exchange("swarming.hints")
        for body in (json.dumps(pack).encode(), b"no JSON", b"{}", wire.encode([a_hint(3)])):
            await exchange.publish(aio_pika.Message(body), "shard.1")

    assert await heard.wait_for(3) == [a_hint(1), a_hint(2), a_hint(3)]
    parked = await parked_soon(parking, 5)
    assert [one.kind for one in parked] == ["NoSuchHint", "CommandGiven", "", "", ""]
    assert {one.source for one in parked} == {"shard.1"}
    assert all(one.reason for one in parked)


async def test_a_hint_to_all_that_each_of_them_parked_is_replayed_once(bus: RabbitMQBus, parking: Parking):
    heard: Arrivals[Hint] = Arrivals()
    for _ in range(3):
        await (await bus.open_mailbox(heard)).listen("gateways")
    bus.send("gateways", an_unknown_hint())
    before = await parked_soon(parking, 3)

    outcome = await soon(parking.replay())
    bus.send("gateways", a_hint(1))
    await heard.wait_for(3)  # and before it, whatever was replayed
    after = await parked_soon(parking, 3, other_than=before[-1])

    assert set(outcome.done) == {one.id for one in before}
    assert [one.tries for one in after] == [2, 2, 2]


async def test_a_hint_whose_reader_is_gone_stays_parked(bus: RabbitMQBus, parking: Parking, rabbitmq_url: str):
    mailbox = await bus.open_mailbox(print)
    await mailbox.listen("gateway.gone")
    bus.send("gateway.gone", an_unknown_hint())
    [parked] = await parked_soon(parking, 1)
    await mailbox.close()

    with an_upgrade():
        code, out, err = await admin(rabbitmq_url, "replay", "--all")

    assert (code, out) == (1, "0 replayed\n")
    assert f"{parked.id} stays parked: nobody reads where it came from" in err
    assert await parking.parked() == [parked]


async def test_what_strangers_put_into_the_queue_is_shown_too(bus: RabbitMQBus, parking: Parking, rabbitmq_url: str):
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        odd = aio_pika.Message(b"odd", headers={"parked_at": 3, "tries": "many", "headers": "[", "origin": None})
        await channel.default_exchange.publish(odd, "swarming.parked")

    [parked] = await parked_soon(parking, 1)

    assert (parked.body, parked.tries, parked.reason) == (b"odd", 0, "")
    assert list((await parking.drop([parked.id])).done) == [parked.id]


async def test_two_operators_take_turns(bus: RabbitMQBus, parking: Parking, rabbitmq_url: str):
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.declare_queue(OPERATOR_LOCK, exclusive=True)

        with pytest.raises(ParkingBusy):
            await parking.parked()

    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                assert await parking.parked() == []
                return
            except ParkingBusy:
                await asyncio.sleep(0.01)


async def test_a_deleted_dead_letter_queue_is_made_again_and_nothing_is_lost(
    bus: RabbitMQBus, consumer: Consumer, rabbitmq_url: str, parking: Parking
):
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.queue_delete("swarming.parked")

    await bus.publish([EventMessage("task.any.s07.p", b"broken")])

    async with asyncio.timeout(DEADLINE_SECONDS):
        while not (parked := await listed_if_there(rabbitmq_url)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    assert parked[-1].body == b"broken"


async def test_a_dead_letter_queue_with_other_bounds_is_used_as_it_is(rabbitmq_url: str):
    async with await aio_pika.connect(rabbitmq_url) as connection, connection.channel() as channel:
        await channel.declare_queue("swarming.parked", durable=True, arguments={"x-max-length": 5})

    bus = await open_rabbitmq(rabbitmq_url)
    await bus.park(QUEUE, [Undigestible(EventMessage("task.a", b"1"), "a reason")])

    assert bus.connected
    async with rabbitmq_parking(rabbitmq_url) as parking:
        assert [one.body for one in await parked_soon(parking, 1)] == [b"1"]
    await bus.close()


async def listed_if_there(url: str) -> Sequence[Parked]:
    try:
        async with rabbitmq_parking(url) as parking:
            return await parking.parked()
    except BusAway:
        return []


async def put_again(url: str, parked: Parked) -> None:
    session = await Session.open(url)
    await session.put_aside([parked])
    await session.close()
