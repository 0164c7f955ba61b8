"""Another system hears on RabbitMQ what happens to bots, whichever of two gateways they talk to."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from swarming_botgateway.bootstrap import build
from swarming_botgateway.event_relay import LOCK_KEY
from swarming_common.bus.port import EventMessage
from swarming_common.bus.rabbitmq import open_rabbitmq
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database.postgres import open_postgres
from swarming_common.events.envelope import CloudEvent
from swarming_common.lifecycle import Ports, opened
from swarming_common.testing.contracts.waiting import Arrivals
from tests.read_events import decode
from tests.servers import Servers
from tests.unit.botgateway.test_failures_and_deletions import give_delete
from tests.unit.botgateway.test_poll_decisions import PERSON, quarantine, set_of
from tests.unit.botgateway.world import World, some_settings

pytestmark = pytest.mark.real("postgres", "rabbitmq")

DEADLINE_SECONDS = 30.0
RELEASED: dict[str, Any] = {"quarantined": None, "quarantined_by": None, "quarantined_ts": None}


class Subscriber:
    """Has a queue of its own for what happens to bots."""

    def __init__(self) -> None:
        self.events: list[CloudEvent] = []
        self.reconnected: Arrivals[None] = Arrivals()
        self._heard = asyncio.Condition()

    async def take(self, messages: Sequence[EventMessage]) -> None:
        async with self._heard:
            self.events += [event for message in messages for event in decode(message.body, CloudEvent)]
            self._heard.notify_all()

    async def hears(self, name: str, bot_id: str) -> CloudEvent:
        """This event of this bot, as soon as it has come."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._heard:
            await self._heard.wait_for(lambda: self._of(name, bot_id))
        return self._of(name, bot_id)[0]

    def _of(self, name: str, bot_id: str) -> list[CloudEvent]:
        return [event for event in self.events if (event.name, event.subject) == (name, bot_id)]


@pytest.fixture
async def subscriber(rabbitmq_url: str) -> AsyncIterator[Subscriber]:
    bus, subscriber = await open_rabbitmq(rabbitmq_url), Subscriber()
    bus.on_reconnect(lambda: subscriber.reconnected(None))
    await bus.subscribe("inventory", ["bot.#"], subscriber.take)
    yield subscriber
    await bus.close()


@asynccontextmanager
async def a_gateway(database_url: str, bus_url: str) -> AsyncIterator[World]:
    ports = Ports(database=await open_postgres(database_url), bus=await open_rabbitmq(bus_url), cache=InProcessCache())
    async with opened(ports), build(some_settings())(ports) as app:
        world = World(app, ports)
        yield world
        await world.close()


@pytest.fixture
async def gateways(migrated_postgres: str, rabbitmq_url: str) -> AsyncIterator[tuple[World, World]]:
    async with AsyncExitStack() as stack:
        one, two = [await stack.enter_async_context(a_gateway(migrated_postgres, rabbitmq_url)) for _ in range(2)]
        yield one, two


async def test_a_subscriber_hears_a_bot_come_be_quarantined_be_released_and_go(
    gateways: tuple[World, World], subscriber: Subscriber
):
    one, two = gateways
    await one.a_connected_bot("bot1", pools=("a.b", "c"))
    await two.a_connected_bot("bot2")
    connected = await subscriber.hears("bot.connected", "bot1")
    await subscriber.hears("bot.connected", "bot2")

    await set_of(one, **quarantine())
    quarantined = await subscriber.hears("bot.quarantined", "bot1")
    await set_of(two, **RELEASED)
    released = await subscriber.hears("bot.released", "bot1")
    await give_delete(two)
    deleted = await subscriber.hears("bot.deleted", "bot1")

    assert connected.routing_key == "bot.connected.a%2Eb"
    assert connected.data["dimensions"]["pool"] == ["a.b", "c"]
    assert quarantined.data == {"bot_id": "bot1", "reason": "unfit", "by": PERSON}
    assert released.data == {"bot_id": "bot1", "set_by": PERSON}
    assert deleted.data == {"bot_id": "bot1", "by": PERSON}
    assert len({event.id for event in subscriber.events}) == 5
    assert len(subscriber.events) == 5


async def test_what_happens_while_rabbitmq_is_away_is_told_when_it_is_back(
    gateways: tuple[World, World], subscriber: Subscriber, private_servers: Servers
):
    one, two = gateways
    await one.a_connected_bot("before")
    await subscriber.hears("bot.connected", "before")

    private_servers.rabbitmq.refuse()
    for number, world in enumerate((one, two, one, two)):
        await world.a_connected_bot(f"bot{number}")
    private_servers.rabbitmq.resume()

    for number in range(4):
        await subscriber.hears("bot.connected", f"bot{number}")


async def test_a_broker_that_comes_back_empty_hears_all_that_happens_from_then_on(
    gateways: tuple[World, World], subscriber: Subscriber, private_servers: Servers
):
    one, two = gateways
    await one.a_connected_bot("before")
    await subscriber.hears("bot.connected", "before")

    await asyncio.to_thread(private_servers.rabbitmq.restart_empty)
    await subscriber.reconnected.wait_for(1)  # its queue is there again
    await two.a_connected_bot("bot1")

    await subscriber.hears("bot.connected", "bot1")


async def test_the_other_gateway_goes_on_when_the_one_that_tells_is_cut_off_from_the_database(
    gateways: tuple[World, World], subscriber: Subscriber
):
    one, two = gateways
    await one.a_connected_bot("before")
    await subscriber.hears("bot.connected", "before")
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK_KEY}"

    for number in range(3):
        await one.ports.database.write(lambda c: c.exec_driver_sql(kill) and None)
        await two.a_connected_bot(f"bot{number}")
        await subscriber.hears("bot.connected", f"bot{number}")
