"""What every bus promises of messages that cannot be digested, as tests.

A subclass supplies three fixtures: `bus` and `other_bus`, as for any bus, and `parking`, which is how an operator sees
what is parked.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime

import pytest

from swarming_common.bus import handling
from swarming_common.bus.parked import Origin, Parked, Parking
from swarming_common.bus.port import Bus, EventMessage, Undigestible
from swarming_common.hints.wire import Hint
from swarming_common.testing.contracts.bus import Worker, a_hint, events
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, Arrivals, soon


class ParkingContract:
    """What every dead-letter queue promises, of hints and of events."""

    async def test_a_hint_that_is_not_known_is_parked_alone(self, bus: Bus, other_bus: Bus, parking: Parking) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")

        bus.send("shard.1", a_hint(1))
        bus.send("shard.1", an_unknown_hint())
        bus.send("shard.1", a_hint(2))

        assert await heard.wait_for(2) == [a_hint(1), a_hint(2)]
        [parked] = await parked_soon(parking, 1)
        assert (parked.origin, parked.source, parked.kind) == (Origin.MAILBOX, "shard.1", "OfAnotherRelease")
        assert parked.reason == "unknown hint 'OfAnotherRelease'"
        assert parked.body == b'[["OfAnotherRelease",{"number":3}]]'
        assert parked.tries == 1
        assert parked.process

    async def test_a_hint_that_its_reader_fails_on_is_parked(self, bus: Bus, other_bus: Bus, parking: Parking) -> None:
        def read(hint: Hint) -> None:
            raise RuntimeError("clumsy")

        await (await other_bus.open_mailbox(read)).listen("shard.1")

        bus.send("shard.1", a_hint(1))

        [parked] = await parked_soon(parking, 1)
        assert parked.kind == "CommandGiven"
        assert "clumsy" in parked.reason

    async def test_a_parked_hint_is_replayed_to_its_address(self, bus: Bus, other_bus: Bus, parking: Parking) -> None:
        heard: Arrivals[Hint] = Arrivals()
        elsewhere: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")
        await (await other_bus.open_mailbox(elsewhere)).listen("shard.2")
        bus.send("shard.1", an_unknown_hint())
        [parked] = await parked_soon(parking, 1)

        with an_upgrade():
            outcome = await parking.replay([parked.id])
            await heard.wait_for(1)
        bus.send("shard.2", a_hint(1))

        assert list(outcome.done) == [parked.id]
        assert [type(one).__name__ for one in heard.all] == ["OfAnotherRelease"]
        assert await elsewhere.wait_for(1) == [a_hint(1)]
        assert await parked_soon(parking, 0) == []

    async def test_a_hint_that_is_still_not_known_is_parked_again(
        self, bus: Bus, other_bus: Bus, parking: Parking
    ) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")
        bus.send("shard.1", an_unknown_hint())
        [first] = await parked_soon(parking, 1)

        await parking.replay()

        [second] = await parked_soon(parking, 1, other_than=first)
        assert (second.tries, second.body) == (2, first.body)
        assert heard.all == []

    async def test_a_parked_message_tells_all_about_itself_and_stays(
        self, bus: Bus, other_bus: Bus, parking: Parking
    ) -> None:
        async with worker_that_parks(bus, other_bus, b"1"):
            listed = [await parking.parked() for _ in range(3)]

        assert listed[0] == listed[1] == listed[2]
        [parked] = listed[0]
        assert (parked.origin, parked.source, parked.kind) == (Origin.QUEUE, "stats", "no kind of event")
        assert (parked.reason, parked.body, parked.tries) == ("no event", b"1", 1)
        assert parked.routing_key == "task.completed.s01.default"
        assert abs((datetime.now(UTC) - parked.parked_at).total_seconds()) < 60
        assert str(os.getpid()) in parked.process

    async def test_the_list_begins_with_the_oldest_and_ends_at_the_limit(
        self, bus: Bus, other_bus: Bus, parking: Parking
    ) -> None:
        async with worker_that_parks(bus, other_bus, b"0", b"1", b"2"):
            some = await parking.parked(2)
            everything = await parking.parked()

        assert [one.body for one in some] == [b"0", b"1"]
        assert [one.body for one in everything] == [b"0", b"1", b"2"]

    async def test_a_replay_goes_to_its_own_queue_once(self, bus: Bus, other_bus: Bus, parking: Parking) -> None:
        other = Worker()
        await bus.subscribe("webhooks", ["task.#"], other)
        async with worker_that_parks(bus, other_bus, b"1", b"2") as worker:
            first, second = await parking.parked()
            worker.undigestible.clear()

            outcome = await parking.replay([first.id, "no such id"])
            handled = await worker.handled.wait_for(5)

            assert list(outcome.done) == [first.id]
            assert handled[-1] == EventMessage("task.completed.s01.default", b"1", replays=1)
            assert await parked_soon(parking, 1) == [second]
            assert list((await parking.replay([first.id])).done) == []
        assert [one.body for one in other.handled.all].count(b"1") == 1

    async def test_what_can_still_not_be_digested_is_parked_again_and_counted(
        self, bus: Bus, other_bus: Bus, parking: Parking
    ) -> None:
        async with worker_that_parks(bus, other_bus, b"1"):
            [first] = await parking.parked()

            await parking.replay()
            [second] = await parked_soon(parking, 1, other_than=first)
            await parking.replay()
            [third] = await parked_soon(parking, 1, other_than=second)

        assert (first.tries, second.tries, third.tries) == (1, 2, 3)
        assert (third.body, third.routing_key, third.source) == (first.body, first.routing_key, first.source)

    async def test_what_is_dropped_is_gone(self, bus: Bus, other_bus: Bus, parking: Parking) -> None:
        async with worker_that_parks(bus, other_bus, b"1", b"2", b"3"):
            one, two, three = await parking.parked()

            first = await parking.drop([two.id, "no such id"])
            left = await parked_soon(parking, 2)
            rest = await parking.drop()

            assert list(first.done) == [two.id]
            assert left == [one, three]
            assert sorted(rest.done) == sorted([one.id, three.id])
            assert await parked_soon(parking, 0) == []

    async def test_a_message_that_its_handler_always_fails_on_is_parked(
        self, bus: Bus, other_bus: Bus, parking: Parking, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(handling, "MAX_RETRY_SECONDS", 0.001)
        monkeypatch.setattr(handling, "FIRST_RETRY_SECONDS", 0.001)
        worker = Worker()
        worker.poison = {b"1"}
        await other_bus.subscribe("stats", ["task.#"], worker)

        await soon(bus.publish(events(0, 4)))

        assert [one.body for one in await worker.handled.wait_for(3)] == [b"0", b"2", b"3"]
        [parked] = await parked_soon(parking, 1)
        assert parked.body == b"1"
        assert parked.reason == "its handling failed: RuntimeError('poison')"

    async def test_a_handler_can_park_a_part_of_a_message(self, bus: Bus, other_bus: Bus, parking: Parking) -> None:
        await bus.subscribe("stats", ["task.#"], Worker())

        await soon(other_bus.park("stats", [Undigestible(one, "too large", "a part") for one in events(0, 2)]))

        parked = await parked_soon(parking, 2)
        assert [one.body for one in parked] == [b"0", b"1"]
        assert {(one.kind, one.source, one.reason) for one in parked} == {("a part", "stats", "too large")}


@asynccontextmanager
async def worker_that_parks(bus: Bus, other_bus: Bus, *bodies: bytes) -> AsyncIterator[Worker]:
    """A worker of the queue `stats` that parked these of the events 0 to 5 and handled the others."""
    worker = Worker()
    worker.undigestible = set(bodies)
    subscription = await other_bus.subscribe("stats", ["task.#"], worker)
    await soon(bus.publish(events(0, 6)))
    await worker.handled.wait_for(6 - len(bodies))
    yield worker
    await soon(subscription.close())


async def parked_soon(parking: Parking, count: int, other_than: Parked | None = None) -> list[Parked]:
    """What is parked, once it is so many and not this one."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            parked = list(await parking.parked())
            if len(parked) == count and (other_than is None or other_than.id not in {one.id for one in parked}):
                return parked
            await asyncio.sleep(0.005)


def an_unknown_hint() -> Hint:
    """One of a release that this one does not know."""
    with an_upgrade():
        return Hint.kinds["OfAnotherRelease"].model_validate({"number": 3})


@contextmanager
def an_upgrade() -> Iterator[None]:
    """In here, that hint is known."""

    class OfAnotherRelease(Hint):
        number: int

    try:
        yield
    finally:
        del Hint.kinds["OfAnotherRelease"]
