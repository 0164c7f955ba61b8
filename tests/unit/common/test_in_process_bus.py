"""What only the bus within a process has: publishers wait for the consumers' commits."""

import asyncio

import pytest

from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.port import BusAway, EventMessage
from swarming_common.bus.routing import KeyTooLong
from swarming_common.testing.contracts.bus import Worker, events
from swarming_common.testing.contracts.waiting import soon


async def test_publishing_returns_when_all_handlers_have_acknowledged():
    bus = InProcessBus()
    quick, slow = Worker(), Worker()
    slow.may_go_on.clear()
    await bus.subscribe("quick", ["task.#"], quick)
    await bus.subscribe("slow", ["task.#"], slow)

    publishing = asyncio.create_task(bus.publish(events(0, 3)))
    await quick.handled.wait_for(3)
    was_done = publishing.done()
    slow.may_go_on.set()
    await soon(publishing)

    assert not was_done
    assert slow.handled.all == events(0, 3)
    await bus.close()


async def test_closing_tells_publishers_that_wait_for_a_worker():
    bus = InProcessBus()
    subscription = await bus.subscribe("stats", ["task.#"], Worker())
    await subscription.close()
    publishing = asyncio.create_task(bus.publish(events(0, 1)))
    await asyncio.sleep(0)

    await bus.close()

    with pytest.raises(BusAway):
        await soon(publishing)


async def test_a_key_that_could_not_travel_is_refused():
    bus = InProcessBus()

    with pytest.raises(KeyTooLong):
        await bus.publish([EventMessage("ü" * 128, b"{}")])

    await bus.close()
