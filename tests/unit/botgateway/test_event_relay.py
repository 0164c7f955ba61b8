"""Events of bots are told from their histories: in order, again after a crash, and not again and again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection, select
from structlog.testing import capture_logs

from swarming_botgateway import event_relay
from swarming_botgateway.bot_facts import BotFacts
from swarming_botgateway.event_relay import LOCK_KEY, BotEventRelay, Telling
from swarming_botgateway.history import event_of_facts
from swarming_botgateway.store.bot_event_feed import told_up_to
from swarming_botgateway.store.bot_events import write_bot_events
from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.port import EventMessage
from swarming_common.database import tables
from swarming_common.database.feed import PAGE_ROWS
from swarming_common.database.port import Database
from swarming_common.events.envelope import CloudEvent
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.databases import OnPostgres, OnSqlite
from tests.read_events import decode

NOW = datetime(2026, 7, 1, tzinfo=UTC)
FACTS = BotFacts(dimensions={"id": ["bot1"], "pool": ["default"]}, version="v1", quarantined=None, maintenance=None)


def add(connection: Connection, *event_types: str) -> None:
    for event_type in event_types:
        write_bot_events(connection, [event_of_facts("bot1", FACTS, event_type, None, NOW)])


class Listener:
    """Another system: it hears every event of bots, and may take its time to acknowledge them."""

    def __init__(self) -> None:
        self.bus = InProcessBus()
        self.messages: list[list[CloudEvent]] = []
        self.acknowledges = asyncio.Event()
        self.acknowledges.set()
        self.patience = 0
        """So many events it acknowledges in any case."""
        self._heard = asyncio.Condition()

    @property
    def names(self) -> list[str]:
        return [event.name for message in self.messages for event in message]

    async def handle(self, messages: Sequence[EventMessage]) -> None:
        async with self._heard:
            self.messages += [decode(message.body, CloudEvent) for message in messages]
            self._heard.notify_all()
        if len(self.names) > self.patience:
            await self.acknowledges.wait()

    async def wait_for(self, number: int) -> list[str]:
        async with asyncio.timeout(DEADLINE_SECONDS), self._heard:
            await self._heard.wait_for(lambda: len(self.names) >= number)
        return self.names

    async def wait_to_hear(self, name: str) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS), self._heard:
            await self._heard.wait_for(lambda: name in self.names)


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    await listener.bus.subscribe("test", ["bot.#"], listener.handle)
    yield listener
    listener.acknowledges.set()
    await listener.bus.close()


@pytest.fixture(autouse=True)
def looks_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_relay, "LOOK_SECONDS", 0.01)


@asynccontextmanager
async def a_telling(database: Database, listener: Listener) -> AsyncIterator[Telling]:
    writer = await database.open_writer("test")
    yield Telling(database, listener.bus, writer, await database.read(told_up_to))
    await writer.close()


async def crash(relay: "asyncio.Task[None]") -> None:
    while not relay.done():
        relay.cancel()  # a driver may swallow one, as background.py knows
        await asyncio.wait([relay], timeout=1)


class Relays:
    """Subclasses supply `database`."""

    async def test_events_are_told_in_the_order_of_commits_and_neighbours_in_packs(self, database, listener):
        for event_type in ("bot_connected", "bot_error", "bot_log", "bot_error", "bot_shutdown"):
            await database.write(lambda c, event_type=event_type: add(c, event_type))

        async with a_telling(database, listener) as telling:
            await telling.tell()

        names = [[event.name for event in message] for message in listener.messages]
        assert names == [["bot.connected"], ["bot.error_reported"] * 2, ["bot.shut_down"]]

    async def test_what_was_told_is_not_told_again_at_each_look(self, database, listener):
        async with a_telling(database, listener) as telling:
            for event_type in ("bot_connected", "bot_shutdown"):
                await database.write(lambda c, event_type=event_type: add(c, event_type))
                for _ in range(3):
                    await telling.tell()

        assert listener.names == ["bot.connected", "bot.shut_down"]

    async def test_the_next_one_goes_on_where_the_last_one_ended(self, database, listener):
        await database.write(lambda c: add(c, "bot_connected"))
        async with a_telling(database, listener) as first, asyncio.timeout(DEADLINE_SECONDS):
            await first.tell()
            while not await self.all_is_noted(database):  # others on the server may have transactions under way
                await first.tell()
        await database.write(lambda c: add(c, "bot_shutdown"))

        async with a_telling(database, listener) as second:
            await second.tell()

        assert listener.names == ["bot.connected", "bot.shut_down"]

    async def test_what_was_told_by_one_that_died_before_it_could_note_it_is_told_again(self, database, listener):
        await database.write(lambda c: add(c, "bot_connected", "bot_shutdown"))
        listener.acknowledges.clear()
        first = asyncio.create_task(BotEventRelay(database, listener.bus, "first").run())
        await listener.wait_for(1)

        await crash(first)
        listener.acknowledges.set()
        second = asyncio.create_task(BotEventRelay(database, listener.bus, "second").run())

        names = await listener.wait_for(4)
        await crash(second)
        assert names[-2:] == ["bot.connected", "bot.shut_down"]

    async def test_a_relay_outlives_a_mistake(self, database, listener):
        cursor = await database.read(told_up_to)
        await database.write(lambda c: c.execute(tables.bot_event_relay.delete()) and None)
        with capture_logs() as entries:
            relay = asyncio.create_task(BotEventRelay(database, listener.bus, "only").run())
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not entries:  # noqa: ASYNC110 - a log tells nobody
                    await asyncio.sleep(0.01)

        await database.write(lambda c: c.execute(tables.bot_event_relay.insert(), {"cursor": cursor}) and None)
        await database.write(lambda c: add(c, "bot_connected"))

        assert [entry["event"] for entry in entries][-1] == "bot_relay_failed"
        assert await listener.wait_for(1) == ["bot.connected"]
        await crash(relay)

    async def all_is_noted(self, database: Database) -> bool:
        def look(connection: Connection) -> bool:
            written = connection.execute(select(tables.bot_event.c.tx)).scalars()
            return told_up_to(connection) > max(int(tx) for tx in written)

        return await database.read(look)


class TestRelaysOnSqlite(OnSqlite, Relays):
    async def test_of_a_long_backlog_only_what_is_not_acknowledged_is_told_again(self, database, listener):
        first_page, second_page = PAGE_ROWS - 1, 100  # its last transaction might go on in the next one
        await database.write(lambda c: add(c, *["bot_error"] * (first_page + second_page)))
        listener.acknowledges.clear()
        listener.patience = first_page
        first = asyncio.create_task(BotEventRelay(database, listener.bus, "first").run())
        await listener.wait_for(first_page + second_page)

        await crash(first)
        listener.acknowledges.set()
        async with a_telling(database, listener) as second:
            await second.tell()

        assert len(listener.names) == first_page + 2 * second_page


@pytest.mark.real("postgres")
class TestRelaysOnPostgres(OnPostgres, Relays):
    async def test_of_two_gateways_one_tells_and_the_other_goes_on_when_it_is_gone(self, database, listener):
        relays = [asyncio.create_task(BotEventRelay(database, listener.bus, name).run()) for name in ("one", "two")]
        for number, event_type in enumerate(("bot_connected", "bot_error", "bot_error"), 1):
            await database.write(lambda c, event_type=event_type: add(c, event_type))
            await listener.wait_for(number)
        heard_at_first = list(listener.names)

        await self.kill_the_holder(database)
        await database.write(lambda c: add(c, "bot_shutdown"))
        await listener.wait_to_hear("bot.shut_down")

        for relay in relays:
            await crash(relay)
        assert heard_at_first == ["bot.connected", "bot.error_reported", "bot.error_reported"]

    async def kill_the_holder(self, database: Database) -> None:
        statement = f"SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = {LOCK_KEY}"
        await database.write(lambda c: c.exec_driver_sql(statement) and None)
