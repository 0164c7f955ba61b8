"""Events that a consumer cannot digest: parked, behind nothing, and worked on once when they are replayed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import Connection
from structlog.testing import capture_logs

from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.parked import Parked
from swarming_common.bus.parked_file import ParkedFile
from swarming_common.bus.port import EventMessage
from swarming_common.database.port import Database
from swarming_common.database.tables import stats_cursor, stats_parked, task_event
from swarming_common.events import consumer as consumer_module
from swarming_common.events import tasks
from swarming_common.events.consumer import EventConsumer
from swarming_common.events.envelope import KNOWN, Event, NumberedEvent, encode
from swarming_common.events.relay import cloud_event, events_after
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, soon
from tests.read_events import decode
from tests.unit.common.test_events import a_row

COMPLETED = tasks.TaskCompleted(task_id="7c2236638dbfed10", run_id="7c2236638dbfed11", bot_id="bot1", exit_code=0)


class TaskExploded(Event):
    """An event type of another release."""

    name, version = "task.exploded", 1


class TaskCompletedTwo(Event):
    """The same event with another meaning."""

    name, version = "task.completed", 2
    outcome: str = ""


EXPLODED = TaskExploded()
COMPLETED_TWO = TaskCompletedTwo(outcome="fine")
UPGRADED = KNOWN | {("task.exploded", 1): TaskExploded, ("task.completed", 2): TaskCompletedTwo}


class World:
    """A table of events of shard 7, the bus, and a consumer that notes what it works on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.parking = ParkedFile()
        self.bus = InProcessBus(self.parking)
        self.worked_on: list[int] = []
        self.poison: dict[int, Exception] = {}
        self.poison_passes = False
        """Whether it is gone once it was met."""
        self.consumer = self.a_consumer(KNOWN)

    def upgrade(self) -> None:
        """From now on the consumer knows the events of the other release."""
        self.consumer = self.a_consumer(UPGRADED)

    async def store(self, *facts: Event) -> None:
        """As the events from 1 on."""
        rows = [a_row(number, fact) for number, fact in enumerate(facts, 1)]
        await self.database.write(lambda c: c.execute(task_event.insert(), rows) and None)

    async def stored(self) -> list[NumberedEvent]:
        return [cloud_event(row) for row in await self.database.read(lambda c: events_after(c, 7, 0, 1000))]

    async def tell(self, *numbers: int) -> None:
        events = await self.stored()
        await self.publish(encode([one for one in events if one.seq in numbers]))

    async def publish(self, body: bytes) -> None:
        await soon(self.bus.publish([EventMessage("task.any.s07.default", body)]))

    async def parked(self) -> Sequence[Parked]:
        return await self.parking.parked()

    async def replay(self) -> None:
        """All that is parked, and wait until it is digested or parked anew."""
        old = {one.id for one in await self.parked()}
        await self.parking.replay()
        async with asyncio.timeout(DEADLINE_SECONDS):
            while old & {one.id for one in await self.parked()}:  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.001)

    async def handle(self, messages: Sequence[EventMessage]) -> None:
        await self.consumer.handle(messages)

    def a_consumer(self, known: Any) -> EventConsumer:
        return EventConsumer(
            self.database,
            self.bus,
            "test",
            cursors=stats_cursor,
            parked=stats_parked,
            work=self._work,
            known=known,
        )

    def _work(self, connection: Connection, events: Sequence[NumberedEvent]) -> None:
        for event in events:
            if event.seq in self.poison:
                raise self.poison.pop(event.seq) if self.poison_passes else self.poison[event.seq]
        self.worked_on += [event.seq for event in events]


@pytest.fixture
async def world(sqlite_database: Database, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr(consumer_module, "RETRY_DELAYS_SECONDS", (0.001,))
    world = World(sqlite_database)
    await world.bus.subscribe("test", ["task.#"], world.handle)
    yield world
    await world.bus.close()


async def test_an_event_of_an_unknown_type_is_parked_and_blocks_nothing(world: World):
    await world.store(COMPLETED, EXPLODED, COMPLETED)

    await world.tell(1, 2, 3)
    await world.tell(1, 2, 3)

    assert world.worked_on == [1, 3]
    [parked] = await world.parked()
    assert (parked.source, parked.kind) == ("test", "swarming.task.exploded.v1")
    assert parked.reason == "unknown event type 'swarming.task.exploded.v1'"
    assert [one.seq for one in decode(parked.body, NumberedEvent)] == [2]


async def test_a_newer_version_is_parked_and_says_which_one_is_known(world: World):
    await world.store(COMPLETED_TWO, COMPLETED)

    await world.tell(1)
    await world.tell(2)

    assert world.worked_on == [2]
    [parked] = await world.parked()
    assert parked.reason == "version 2 of task.completed, this consumer knows 1"


async def test_an_event_with_other_data_than_its_type_has_is_parked(world: World):
    await world.store(COMPLETED, COMPLETED)
    data = COMPLETED.model_dump(exclude_none=True) | {"exit_code": "none"}
    await world.database.write(lambda c: c.execute(task_event.update().where(task_event.c.seq == 1).values(data=data)))

    await world.tell(1, 2)

    assert world.worked_on == [2]
    [parked] = await world.parked()
    assert "exit_code" in parked.reason


async def test_a_replay_after_an_upgrade_is_worked_on_once(world: World):
    await world.store(COMPLETED, EXPLODED, COMPLETED_TWO, COMPLETED)
    await world.tell(1, 2, 3, 4)
    bodies = [one.body for one in await world.parked()]
    world.upgrade()

    await world.replay()
    for body in bodies:
        await world.handle([EventMessage("key", body, replays=2), EventMessage("key", body)])

    assert sorted(world.worked_on) == [1, 2, 3, 4]
    assert await world.parked() == []


async def test_a_replay_without_an_upgrade_is_parked_again_and_counted(world: World):
    await world.store(EXPLODED, COMPLETED)
    await world.tell(1, 2)

    await world.replay()
    await world.replay()
    [parked] = await world.parked()
    world.upgrade()
    await world.replay()

    assert parked.tries == 3
    assert world.worked_on == [2, 1]


async def test_what_cannot_be_digested_in_the_table_is_parked_by_the_one_who_catches_up(world: World):
    await world.store(EXPLODED, COMPLETED, COMPLETED_TWO, COMPLETED)

    await world.consumer.catch_up()
    await world.tell(1, 2, 3, 4)

    assert world.worked_on == [2, 4]
    assert [one.kind for one in await world.parked()] == ["swarming.task.exploded.v1", "swarming.task.completed.v2"]


async def test_a_gap_with_something_undigestible_in_it_is_filled(world: World):
    await world.store(COMPLETED, EXPLODED, COMPLETED, COMPLETED)

    await world.tell(1)
    await world.tell(4)

    assert world.worked_on == [1, 3, 4]
    assert len(await world.parked()) == 1


async def test_a_row_that_is_no_event_at_all_is_parked(world: World):
    await world.store(COMPLETED, COMPLETED, COMPLETED)
    await world.database.write(lambda c: c.execute(task_event.update().where(task_event.c.seq == 2).values(data=[1])))

    await world.consumer.catch_up()

    assert world.worked_on == [1, 3]
    [parked] = await world.parked()
    assert parked.reason.startswith("the row is no event")


async def test_a_flood_is_parked_in_packs(world: World):
    await world.store(*[EXPLODED] * 900, COMPLETED)

    await world.consumer.catch_up()

    assert world.worked_on == [901]
    assert [len(decode(one.body, NumberedEvent)) for one in await world.parked()] == [500, 400]
    world.upgrade()
    await world.replay()
    assert sorted(world.worked_on) == list(range(1, 902))


@pytest.mark.parametrize("error", [RuntimeError("a mistake of ours"), KeyError("duration")])
async def test_an_event_that_the_work_fails_on_for_good_is_parked(world: World, error: Exception):
    await world.store(*[COMPLETED] * 5)
    world.poison = {3: error}

    await world.tell(1, 2, 3, 4)
    await world.tell(5)

    assert world.worked_on == [1, 2, 4, 5]
    [parked] = await world.parked()
    assert parked.reason == f"its handling failed: {error!r}"


async def test_a_work_that_failed_and_is_mended_counts_the_replay_once(world: World):
    await world.store(*[COMPLETED] * 5)
    world.poison = {2: RuntimeError("a mistake"), 4: RuntimeError("a mistake")}
    await world.consumer.catch_up()
    del world.poison[2]

    await world.replay()
    still_parked = await world.parked()
    world.poison.clear()
    await world.replay()

    assert world.worked_on == [1, 3, 5, 2, 4]
    assert [(one.tries, decode(one.body, NumberedEvent)[0].seq) for one in still_parked] == [(2, 4)]
    assert await world.parked() == []


async def test_what_fails_only_for_a_moment_is_worked_on_in_order(world: World):
    await world.store(*[COMPLETED] * 3)
    world.poison, world.poison_passes = {2: RuntimeError("for a moment")}, True

    with capture_logs() as entries:
        await world.tell(1, 2, 3)

    assert [one["retry_seconds"] for one in entries if one["event"] == "events_work_failed"] == [0.001]
    assert world.worked_on == [1, 2, 3]
    assert await world.parked() == []


@pytest.mark.parametrize("body", [b"", b"no JSON", b"7", b"{}", b'{"type": "swarming.task.completed.v1"}'])
async def test_a_message_that_is_no_event_is_parked(world: World, body: bytes):
    await world.store(COMPLETED)

    await world.publish(body)
    await world.tell(1)

    assert world.worked_on == [1]
    [parked] = await world.parked()
    assert parked.body.replace(b" ", b"") == body.replace(b" ", b"")
    assert parked.reason


async def test_one_thing_in_a_pack_that_is_no_event_spoils_no_other(world: World):
    await world.store(COMPLETED, COMPLETED)
    pack = encode(await world.stored())

    await world.publish(pack.replace(b"[", b'[{"type":"x"},', 1))

    assert world.worked_on == [1, 2]
    [parked] = await world.parked()
    assert (parked.kind, parked.body) == ("x", b'{"type":"x"}')


async def test_an_event_that_the_table_does_not_have_is_parked_and_moves_no_cursor(world: World):
    await world.store(COMPLETED)
    [event] = await world.stored()
    await world.publish(encode([event.model_copy(update={"type": "swarming.task.exploded.v1", "seq": 2})]))
    await world.tell(1)
    await world.database.write(lambda c: c.execute(task_event.insert(), [a_row(2, COMPLETED)]) and None)

    await world.tell(2)

    assert world.worked_on == [1, 2]
    assert len(await world.parked()) == 1


async def test_a_newer_release_works_at_its_start_on_what_was_parked(world: World):
    await world.store(EXPLODED, COMPLETED, COMPLETED_TWO)
    await world.consumer.catch_up()
    await world.consumer.retry_parked()
    before = list(world.worked_on)
    world.upgrade()

    await world.consumer.retry_parked()
    await world.replay()

    assert before == [2]
    assert sorted(world.worked_on) == [1, 2, 3]
    assert await world.parked() == []


class Overtaken:
    """A database on which another worker goes ahead at the moment when a commit of this one has failed."""

    def __init__(self, database: Database, go_ahead: Callable[[], Awaitable[None]]) -> None:
        self._database = database
        self._go_ahead = go_ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    async def write(self, work: Any, *, durable: bool = True) -> Any:
        try:
            return await self._database.write(work, durable=durable)
        except Exception:
            await self._go_ahead()
            raise


async def test_of_two_workers_the_slower_one_parks_what_it_failed_on_and_nothing_else(world: World):
    await world.store(*[COMPLETED] * 4)
    world.poison = {2: RuntimeError("for a moment")}
    faster, told = world.consumer, encode((await world.stored())[:3])

    async def go_ahead() -> None:
        if world.worked_on == [1]:  # event by event, and the second failed just now
            world.poison.clear()
            await faster.handle([EventMessage("key", told)])

    world.database = Overtaken(world.database, go_ahead)
    world.consumer = world.a_consumer(KNOWN)
    await world.tell(1, 2, 3, 4)

    assert world.worked_on == [1, 2, 3, 4]
    assert [decode(one.body, NumberedEvent)[0].seq for one in await world.parked()] == [2]
    await world.replay()
    assert world.worked_on == [1, 2, 3, 4]
