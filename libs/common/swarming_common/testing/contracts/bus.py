"""What every bus promises, as tests.

A subclass supplies two fixtures: `bus`, and `other_bus`, which is how another process sees the same bus; where there
is but one process it is the same object.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from swarming_common.bus.port import Bus, BusAway, EventMessage, Undigestible
from swarming_common.hints.scheduler import CommandGiven, Report
from swarming_common.hints.wire import Hint
from swarming_common.model.reports import ReportKind
from swarming_common.testing.contracts.waiting import Arrivals, soon


class BusContract:
    """What every bus promises, of hints and of events."""

    async def test_a_bus_is_connected_until_it_is_closed(self, bus: Bus) -> None:
        assert bus.connected

        await bus.close()

        assert not bus.connected

    async def test_closing_twice_does_no_harm(self, bus: Bus) -> None:
        await bus.close()
        await bus.close()


class HintsContract(BusContract):
    """What every bus promises of hints."""

    async def test_hints_arrive_in_the_order_they_were_sent(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")

        for number in range(60):
            bus.send("shard.1", a_hint(number))
            if number % 7 == 0:
                await asyncio.sleep(0)

        assert await heard.wait_for(60) == [a_hint(number) for number in range(60)]

    async def test_hints_of_one_loop_turn_are_read_in_one_turn(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        heard_in_first_turn: Arrivals[int] = Arrivals()

        def read(hint: Hint) -> None:
            if not heard.all:
                asyncio.get_running_loop().call_soon(lambda: heard_in_first_turn(len(heard.all)))
            heard(hint)

        await (await other_bus.open_mailbox(read)).listen("shard.1")

        for number in range(5):
            bus.send("shard.1", a_hint(number))

        assert await heard_in_first_turn.wait_for(1) == [5]

    async def test_sending_never_calls_the_reader_directly(self, bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await bus.open_mailbox(heard)).listen("shard.1")

        bus.send("shard.1", a_hint(1))

        assert heard.all == []
        assert await heard.wait_for(1) == [a_hint(1)]

    async def test_each_mailbox_that_listens_gets_a_copy(self, bus: Bus, other_bus: Bus) -> None:
        old_owner: Arrivals[Hint] = Arrivals()
        new_owner: Arrivals[Hint] = Arrivals()
        await (await bus.open_mailbox(old_owner)).listen("shard.1")
        await (await other_bus.open_mailbox(new_owner)).listen("shard.1")

        bus.send("shard.1", a_hint(1))

        assert await old_owner.wait_for(1) == [a_hint(1)]
        assert await new_owner.wait_for(1) == [a_hint(1)]

    async def test_one_mailbox_reads_several_addresses_each_hint_once(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        mailbox = await other_bus.open_mailbox(heard)
        for address in ("shard.1", "shard.2", "shard.1"):
            await mailbox.listen(address)

        bus.send("shard.1", a_hint(1))
        bus.send("shard.3", a_hint(3))
        bus.send("shard.2", a_hint(2))

        assert await heard.wait_for(2) == [a_hint(1), a_hint(2)]

    async def test_an_ignored_address_is_read_no_more(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        mailbox = await other_bus.open_mailbox(heard)
        await mailbox.listen("shard.1")
        await mailbox.listen("shard.2")

        await mailbox.ignore("shard.1")
        await mailbox.ignore("shard.1")
        bus.send("shard.1", a_hint(1))
        bus.send("shard.2", a_hint(2))

        assert await heard.wait_for(1) == [a_hint(2)]

    async def test_an_ignored_address_can_be_read_again(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        mailbox = await other_bus.open_mailbox(heard)
        await mailbox.listen("shard.1")
        await mailbox.ignore("shard.1")

        await mailbox.listen("shard.1")
        bus.send("shard.1", a_hint(1))

        assert await heard.wait_for(1) == [a_hint(1)]

    async def test_a_closed_mailbox_reads_nothing_and_harms_no_other(self, bus: Bus, other_bus: Bus) -> None:
        closed: Arrivals[Hint] = Arrivals()
        open_: Arrivals[Hint] = Arrivals()
        mailbox = await other_bus.open_mailbox(closed)
        await mailbox.listen("shard.1")
        await (await other_bus.open_mailbox(open_)).listen("shard.1")

        await mailbox.close()
        bus.send("shard.1", a_hint(1))

        assert await open_.wait_for(1) == [a_hint(1)]
        assert closed.all == []

    async def test_a_reader_that_raises_harms_neither_later_hints_nor_others(self, bus: Bus, other_bus: Bus) -> None:
        clumsy: Arrivals[Hint] = Arrivals()
        other: Arrivals[Hint] = Arrivals()

        def read(hint: Hint) -> None:
            clumsy(hint)
            raise RuntimeError("clumsy")

        await (await other_bus.open_mailbox(read)).listen("shard.1")
        await (await other_bus.open_mailbox(other)).listen("shard.1")

        bus.send("shard.1", a_hint(1))
        bus.send("shard.1", a_hint(2))

        assert await clumsy.wait_for(2) == [a_hint(1), a_hint(2)]
        assert await other.wait_for(2) == [a_hint(1), a_hint(2)]

    async def test_a_hint_that_cannot_be_serialised_is_lost_alone(self, bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await bus.open_mailbox(heard)).listen("shard.1")

        bus.send("shard.1", a_hint(1))
        bus.send("shard.1", a_hint_that_cannot_travel())
        bus.send("shard.1", a_hint(2))

        assert await heard.wait_for(2) == [a_hint(1), a_hint(2)]

    async def test_a_hint_to_nobody_or_to_an_impossible_address_is_lost_in_silence(self, bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await bus.open_mailbox(heard)).listen("shard.1")

        bus.send("shard.2", a_hint(2))
        bus.send("x" * 256, a_hint(3))
        bus.send("shard.1", a_hint(1))

        assert await heard.wait_for(1) == [a_hint(1)]

    async def test_a_hint_may_be_large(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")
        large = CommandGiven(command_id="x" * 1_000_000)

        bus.send("shard.1", large)

        assert await heard.wait_for(1) == [large]

    async def test_many_large_hints_at_once_all_arrive(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")
        large = [CommandGiven(command_id=f"{number:01000000}") for number in range(30)]

        for hint in large:
            bus.send("shard.1", hint)

        assert await heard.wait_for(30) == large

    async def test_closing_sends_what_was_sent_just_before(self, bus: Bus, other_bus: Bus) -> None:
        heard: Arrivals[Hint] = Arrivals()
        await (await other_bus.open_mailbox(heard)).listen("shard.1")

        bus.send("shard.1", a_hint(1))
        bus.send("shard.1", a_hint(2))
        await bus.close()

        assert await heard.wait_for(2) == [a_hint(1), a_hint(2)]

    async def test_sending_on_a_closed_bus_does_nothing(self, bus: Bus) -> None:
        await bus.close()

        bus.send("shard.1", a_hint(1))


class EventsContract(BusContract):
    """What every bus promises of events."""

    async def test_a_subscriber_receives_what_was_published_in_order(self, bus: Bus, other_bus: Bus) -> None:
        worker = Worker()
        await other_bus.subscribe("stats", ["task.#"], worker)

        await soon(bus.publish(events(0, 30)))
        await soon(bus.publish(events(30, 31)))

        assert await worker.handled.wait_for(31) == events(0, 31)

    async def test_a_queue_gets_what_its_patterns_choose(self, bus: Bus, other_bus: Bus) -> None:
        worker = Worker()
        await other_bus.subscribe("stats", ["task.*.s07.#", "bot.#"], worker)
        chosen = [EventMessage("task.completed.s07.default", b"1"), EventMessage("bot.died", b"2")]
        other = [EventMessage("task.completed.s08.default", b"3"), EventMessage("task.a.b.s07", b"4")]

        await soon(bus.publish([other[0], chosen[0], other[1], chosen[1]]))

        assert await worker.handled.wait_for(2) == chosen

    async def test_two_services_each_get_their_copy(self, bus: Bus, other_bus: Bus) -> None:
        stats, webhooks = Worker(), Worker()
        await bus.subscribe("stats", ["task.#"], stats)
        await other_bus.subscribe("webhooks", ["task.#"], webhooks)

        await soon(bus.publish(events(0, 3)))

        assert await stats.handled.wait_for(3) == events(0, 3)
        assert await webhooks.handled.wait_for(3) == events(0, 3)

    async def test_two_workers_of_one_queue_share_its_messages(self, bus: Bus, other_bus: Bus) -> None:
        handled: Arrivals[EventMessage] = Arrivals()
        one, another = Worker(handled), Worker(handled)
        one.may_go_on.clear()
        await bus.subscribe("stats", ["task.#"], one)

        publishing = [asyncio.create_task(bus.publish(events(0, 1)))]
        await one.called.wait_for(1)
        await other_bus.subscribe("stats", ["task.#"], another)
        # While the one is busy, the other is given its share; a broker hands out in turns.
        for number in range(1, 7):
            publishing.append(asyncio.create_task(bus.publish(events(number, number + 1))))
        await another.handled.wait_for(1)
        one.may_go_on.set()

        await soon(asyncio.gather(*publishing))
        assert sorted(event.body for event in await handled.wait_for(7)) == [e.body for e in events(0, 7)]

    async def test_publishing_what_no_queue_wants_succeeds(self, bus: Bus) -> None:
        await soon(bus.publish(events(0, 3)))
        await soon(bus.publish([]))

    async def test_what_a_handler_fails_on_comes_again_in_order(self, bus: Bus, other_bus: Bus) -> None:
        worker = Worker()
        worker.errors = [RuntimeError("the database is away"), RuntimeError("still away")]
        await other_bus.subscribe("stats", ["task.#"], worker)

        publishing = asyncio.create_task(bus.publish(events(0, 5)))
        await worker.called.wait_for(1)
        later = asyncio.create_task(bus.publish(events(5, 8)))

        assert await worker.handled.wait_for(8) == events(0, 8)
        await soon(asyncio.gather(publishing, later))

    async def test_what_was_not_acknowledged_comes_back_to_another_worker(self, bus: Bus, other_bus: Bus) -> None:
        failing, heir = Worker(), Worker()
        failing.errors = [RuntimeError("broken for good")] * 100
        subscription = await other_bus.subscribe("stats", ["task.#"], failing)
        publishing = asyncio.create_task(bus.publish(events(0, 3)))
        await failing.called.wait_for(1)

        await soon(subscription.close())
        await bus.subscribe("stats", ["task.#"], heir)

        # In whatever order: what was published meanwhile may overtake what is given back.
        handled = await heir.handled.wait_for(3)
        assert sorted(handled, key=lambda message: message.body) == events(0, 3)
        await soon(publishing)

    async def test_a_queue_keeps_what_comes_while_it_has_no_worker(self, bus: Bus, other_bus: Bus) -> None:
        subscription = await other_bus.subscribe("stats", ["task.#"], Worker())
        await soon(subscription.close())
        publishing = asyncio.create_task(bus.publish(events(0, 3)))
        worker = Worker()

        await other_bus.subscribe("stats", ["task.#"], worker)

        assert await worker.handled.wait_for(3) == events(0, 3)
        await soon(publishing)

    async def test_an_undigestible_message_is_parked_and_blocks_nothing(self, bus: Bus, other_bus: Bus) -> None:
        worker = Worker()
        worker.undigestible = {b"1", b"3"}
        await other_bus.subscribe("stats", ["task.#"], worker)

        await soon(bus.publish(events(0, 5)))
        await soon(bus.publish(events(5, 6)))

        handled = [event.body for event in await worker.handled.wait_for(4)]
        assert handled == [b"0", b"2", b"4", b"5"]

    async def test_closing_a_subscription_waits_for_the_batch_in_hand(self, bus: Bus, other_bus: Bus) -> None:
        worker, heir = Worker(), Worker()
        worker.may_go_on.clear()
        subscription = await other_bus.subscribe("stats", ["task.#"], worker)
        publishing = asyncio.create_task(bus.publish(events(0, 1)))
        await worker.called.wait_for(1)

        closing = asyncio.create_task(subscription.close())
        await bus.subscribe("stats", ["task.#"], heir)
        worker.may_go_on.set()
        await soon(closing)
        await soon(bus.publish(events(1, 2)))

        assert worker.handled.all == events(0, 1)
        assert await heir.handled.wait_for(1) == events(1, 2)
        await soon(publishing)

    async def test_a_closed_bus_publishes_nothing(self, bus: Bus) -> None:
        await bus.close()

        with pytest.raises(BusAway):
            await bus.publish(events(0, 1))


class Worker:
    """An event handler that does as it is told, and remembers."""

    def __init__(self, together: Arrivals[EventMessage] | None = None) -> None:
        self.called: Arrivals[int] = Arrivals()
        self.handled: Arrivals[EventMessage] = Arrivals()
        self.together = together
        self.errors: list[Exception] = []
        self.undigestible: set[bytes] = set()
        self.poison: set[bytes] = set()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def __call__(self, messages: Sequence[EventMessage]) -> None:
        self.called(len(messages))
        await self.may_go_on.wait()
        if self.errors:
            raise self.errors.pop(0)
        for message in messages:
            if message.body in self.undigestible:
                raise Undigestible(message, "no event", "no kind of event")
            if message.body in self.poison:
                raise RuntimeError("poison")
        for message in messages:
            self.handled(message)
            if self.together is not None:
                self.together(message)


def a_hint(number: int) -> Hint:
    """One of many hints that differ."""
    return CommandGiven(command_id=str(number))


def a_hint_that_cannot_travel() -> Hint:
    """Its details hold what JSON does not know."""
    return Report(kind=ReportKind.FAILED, created_ts=datetime(2026, 1, 1, tzinfo=UTC), details={"what": object()})


def events(first: int, end: int) -> list[EventMessage]:
    """Messages with the numbers from `first` to before `end` as bodies."""
    return [EventMessage("task.completed.s01.default", str(number).encode()) for number in range(first, end)]
