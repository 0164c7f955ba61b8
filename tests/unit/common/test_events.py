"""Events: their wire form, which others rely on, and how they are packed and consumed."""

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.port import EventMessage
from swarming_common.database.port import Database
from swarming_common.database.tables import stats_cursor, stats_parked, task_event
from swarming_common.events import bots as _bots  # noqa: F401 - its events are known once it is imported
from swarming_common.events import tasks
from swarming_common.events.consumer import EventConsumer
from swarming_common.events.envelope import KNOWN, NumberedEvent, UnreadableEvent, encode
from swarming_common.events.relay import Relay, cloud_event, events_after
from swarming_common.events.rows import event_columns
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.read_events import decode

GOLDEN = Path(__file__).parent / "golden"
MOMENT = datetime(2026, 11, 23, 17, 8, 32, 825102, tzinfo=UTC)
RUN = {"task_id": "7c2236638dbfed10", "run_id": "7c2236638dbfed11", "bot_id": "bot1"}
ENDED = RUN | {"exit_code": 3, "duration_secs": 11.1125}

EXAMPLES = [
    tasks.TaskQueued(task_id=RUN["task_id"], priority=50, dimensions={"pool": ["default"], "os": ["Linux", "x|y"]}),
    tasks.TaskReprioritized(task_id=RUN["task_id"], priority=30, previous_priority=50),
    tasks.TaskAssigned(**RUN, pending_secs=0.25),
    tasks.TaskRequeued(**RUN),
    tasks.TaskRetried(**RUN, reason="the bot was silent for too long"),
    tasks.TaskCompleted(**ENDED),
    tasks.TaskDeduped(
        task_id=RUN["task_id"], deduped_from="7c22360000000011", duration_secs=11.1125, cost_saved_usd=0.25
    ),
    tasks.TaskTimedOut(**ENDED),
    tasks.TaskKilled(**ENDED),
    tasks.TaskBotDied(**RUN, reason="out of disk"),
    tasks.TaskClientError(**RUN, reason="no such package"),
    tasks.TaskCanceled(task_id=RUN["task_id"]),
    tasks.TaskExpired(task_id=RUN["task_id"]),
    tasks.TaskNoResource(task_id=RUN["task_id"], reason="no bot has os=Plan9"),
]


def a_row(seq: int, fact: Any = EXAMPLES[0], shard: int = 7, pool: str = "default") -> dict[str, Any]:
    return {
        "shard": shard,
        "seq": seq,
        "task_id": 0x7C2236638DBFED1,
        "taskseq": seq,
        "name": fact.name,
        "version": fact.version,
        "pool": pool,
        "created_ts": MOMENT,
        **event_columns(fact),
    }


class _Row:
    def __init__(self, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)


@pytest.mark.parametrize("fact", EXAMPLES, ids=lambda fact: f"{fact.name}.v{fact.version}")
def test_the_wire_form_of_each_version_is_the_golden_one(fact):
    event = cloud_event(_Row(a_row(42, fact)))

    golden = json.loads((GOLDEN / f"{fact.name}.v{fact.version}.json").read_text())
    assert json.loads(encode([event])) == golden
    assert decode(json.dumps(golden).encode(), NumberedEvent)[0].typed() == fact


def test_every_registered_event_has_a_golden_file_and_the_other_way_round():
    assert {f"{name}.v{version}.json" for name, version in KNOWN} == {path.name for path in GOLDEN.iterdir()}


def test_a_pack_is_a_list_and_a_single_event_is_itself():
    one, two = (cloud_event(_Row(a_row(seq))) for seq in (1, 2))

    assert isinstance(json.loads(encode([one])), dict)
    assert decode(encode([one, two]), NumberedEvent) == [one, two]


@pytest.mark.parametrize(
    ("pool", "key"),
    [
        ("default", "task.queued.s07.default"),
        ("a.b#*/ü", "task.queued.s07.a%2Eb%23%2A%2F%C3%BC"),
        ("", "task.queued.s07.-"),
    ],
)
def test_the_routing_key_names_event_shard_and_pool(pool, key):
    assert cloud_event(_Row(a_row(1, pool=pool))).routing_key == key


def test_the_pool_s_word_in_a_routing_key_is_cut_at_a_hundred_bytes():
    event = cloud_event(_Row(a_row(1, pool="ü" * 300)))

    assert len(event.routing_key) == len("task.queued.s07.") + 100


@pytest.mark.parametrize("number", ["shard", "seq", "taskseq"])
def test_an_event_of_a_task_without_one_of_its_numbers_is_none(number):
    body = json.loads(encode([cloud_event(_Row(a_row(1)))]))
    del body[number]

    with pytest.raises(UnreadableEvent):
        decode(json.dumps(body).encode(), NumberedEvent)


@pytest.mark.parametrize("change", [{"type": "swarming.task.completed.v9"}, {"type": "x"}, {"data": {}}])
def test_an_event_that_this_release_does_not_know_says_so(change):
    event = cloud_event(_Row(a_row(1, EXAMPLES[4]))).model_copy(update=change)

    with pytest.raises(UnreadableEvent):
        event.typed()


class Seen:
    """A consumer that notes what it worked on."""

    def __init__(self, database: Database) -> None:
        self.numbers: list[int] = []
        self.consumer = EventConsumer(
            database, InProcessBus(), "test", cursors=stats_cursor, parked=stats_parked, work=self._work
        )
        self.database = database

    def _work(self, connection: Connection, events: Sequence[NumberedEvent]) -> None:
        self.numbers += [event.seq for event in events]

    async def store(self, *numbers: int) -> None:
        rows = [a_row(number) for number in numbers]
        await self.database.write(lambda c: c.execute(task_event.insert(), rows) and None)

    async def message(self, *numbers: int) -> EventMessage:
        rows = await self.database.read(lambda c: events_after(c, 7, 0, 1000))
        return EventMessage("key", encode([cloud_event(row) for row in rows if row.seq in numbers]))


async def test_an_event_that_comes_twice_is_worked_on_once(sqlite_database):
    seen = Seen(sqlite_database)
    await seen.store(1, 2, 3)

    for numbers in [(1, 2), (2, 3), (1, 2, 3)]:
        await seen.consumer.handle([await seen.message(*numbers)])

    assert seen.numbers == [1, 2, 3]


async def test_a_gap_is_filled_from_the_table(sqlite_database):
    seen = Seen(sqlite_database)
    await seen.store(1, 2, 3, 4)

    await seen.consumer.handle([await seen.message(1)])
    await seen.consumer.handle([await seen.message(4)])

    assert seen.numbers == [1, 2, 3, 4]


async def test_what_the_bus_lost_is_caught_up_with(sqlite_database):
    seen = Seen(sqlite_database)
    await seen.store(*range(1, 2501))

    await seen.consumer.catch_up()
    await seen.consumer.catch_up()

    assert seen.numbers == list(range(1, 2501))


async def test_the_relay_sends_every_event_in_order_packed_by_key(sqlite_database):
    bus = InProcessBus()
    got: list[EventMessage] = []

    async def keep(messages: Sequence[EventMessage]) -> None:
        got.extend(messages)

    subscription = await bus.subscribe("test", ["task.#"], keep)
    rows = [a_row(seq, EXAMPLES[0] if seq < 4 else EXAMPLES[1]) for seq in range(1, 7)]
    await sqlite_database.write(lambda c: c.execute(task_event.insert(), rows) and None)
    relay = Relay(sqlite_database, bus, 7, 1)

    running = asyncio.create_task(relay.run())
    async with asyncio.timeout(DEADLINE_SECONDS):
        while relay.relayed_seq < 6:  # noqa: ASYNC110 - the relay tells nobody
            await asyncio.sleep(0.01)
    running.cancel()

    packs = [[event.seq for event in decode(message.body, NumberedEvent)] for message in got]
    assert packs == [[2, 3], [4, 5, 6]]
    await subscription.close()
    await bus.close()
