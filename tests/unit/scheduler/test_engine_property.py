"""Whatever is asked of it in whatever order, the engine decides as two lists would that are looked through in order."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, seed, settings
from hypothesis import strategies as some

from swarming_common.model.dimensions import requirements
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine import index, matching, queues, standings
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.engine.matching import Engine
from swarming_scheduler.engine.queues import Ticket
from tests.properties.seeds import run_seed
from tests.unit.scheduler.naive_engine import NaiveEngine

Step = Callable[[Any], object]
"""Something to ask of either engine."""

BOT_IDS = ["bot1", "bot2", "bot3", "bot4"]
KEYS = ["pool", "os", "gpu"]
VALUES = ["a", "b", "c", "d", "e"]

task_ids = some.integers(1, 12).map(TaskId)
wishes = some.tuples(
    some.sampled_from(KEYS), some.lists(some.sampled_from(VALUES), min_size=1, max_size=3).map("|".join)
)
wished_ids = some.tuples(some.just("id"), some.lists(some.sampled_from(BOT_IDS), min_size=1, max_size=3).map("|".join))
asked = some.one_of(
    some.lists(wishes, max_size=3).map(requirements),
    some.tuples(wishes, wished_ids).map(requirements),
    some.sampled_from([requirements([("pool", "a")]), requirements([("pool", "b")])]),
)
tickets = some.builds(Ticket, some.sampled_from([0, 50, 255]), some.integers(-3, 3), task_ids)
excluded_bots = some.one_of(some.just(frozenset[str]()), some.frozensets(some.sampled_from(BOT_IDS), max_size=3))


@some.composite
def bots(draw: some.DrawFn) -> WaitingBot:
    bot_id = draw(some.sampled_from(BOT_IDS))
    values = some.lists(some.sampled_from(VALUES), max_size=3).map(tuple)
    return WaitingBot(bot_id, {"id": (bot_id,), **draw(some.dictionaries(some.sampled_from(KEYS), values))})


def submission(ticket: Ticket, asked: Any, excluded: frozenset[str]) -> Step:
    return lambda engine: engine.submit(ticket, asked, excluded)


def put(ticket: Ticket, asked: Any, excluded: frozenset[str]) -> Step:
    return lambda engine: engine.put(ticket, asked, excluded)


def look(task_id: TaskId) -> Step:
    return lambda engine: engine.bot_for(task_id) if engine.is_pending(task_id) else None


submissions = some.builds(submission, tickets, asked, excluded_bots)
offers = bots().map(lambda bot: lambda engine: engine.offer(bot))
withdrawals = some.sampled_from(BOT_IDS).map(lambda bot_id: lambda engine: engine.withdraw(bot_id))
removals = task_ids.map(lambda task_id: lambda engine: engine.remove(task_id))
puts = some.builds(put, tickets, asked, excluded_bots)
looks = task_ids.map(look)
questions = bots().map(lambda bot: lambda engine: engine.first_for(bot))
histories = some.lists(
    some.one_of(submissions, submissions, submissions, offers, offers, withdrawals, removals, puts, looks, questions),
    max_size=60,
)


@pytest.fixture(scope="module", params=["small", "large"])
def sizes(request: pytest.FixtureRequest) -> Iterator[None]:
    """The engine as it is, and one that takes everything for large; the decisions must be the same."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large":
            patch.setattr(queues, "LARGEST_STRETCH", 2)
            patch.setattr(index, "FEW", 1)
            patch.setattr(standings, "LARGEST_STRETCH", 2)
            patch.setattr(standings, "PROBES", 1)
            patch.setattr(standings, "FEW", 1)
            patch.setattr(index, "REMEMBERED_LOOKS", 2)
            patch.setattr(matching, "LOOK_AFTER", 3)
            patch.setattr(matching, "REMEMBERED_BOTS", 0)
        yield


@pytest.mark.usefixtures("sizes")
@seed(run_seed())
@settings(max_examples=100, deadline=None)
@given(histories)
def test_the_engine_decides_as_a_plain_list_would(history: list[Step]):
    assert_same_decisions(history)


ANYTHING = requirements([("pool", "a")])
many_ids = some.integers(1, 40).map(TaskId)
queued = some.builds(
    submission,
    some.builds(Ticket, some.sampled_from([1, 2]), some.integers(0, 40), many_ids),
    some.just(ANYTHING),
    some.one_of(some.just(frozenset[str]()), some.just(frozenset[str]()), some.just(frozenset(["bot1"]))),
)
taken = some.sampled_from(["bot1", "bot2"]).map(
    lambda bot_id: lambda engine: engine.offer(WaitingBot(bot_id, {"id": (bot_id,), "pool": ("a",)}))
)
removed = many_ids.map(lambda task_id: lambda engine: engine.remove(task_id))


@pytest.mark.usefixtures("sizes")
@seed(run_seed())
@settings(max_examples=100, deadline=None)
@given(some.lists(some.one_of(queued, queued, queued, queued, taken, removed), max_size=100))
def test_one_long_queue_keeps_its_order(history: list[Step]):
    assert_same_decisions(history)


MANY = [f"v{number}" for number in range(12)]
some_values = some.one_of(some.just(MANY), some.lists(some.sampled_from(MANY), min_size=1, max_size=6, unique=True))
one_of_many = some.builds(
    submission,
    some.builds(Ticket, some.sampled_from([1, 2]), some.integers(0, 40), many_ids),
    some_values.map("|".join).map(lambda value: requirements([("os", value)])),
    some.just(frozenset[str]()),
)
able = some.builds(
    lambda bot_id, values: lambda engine: engine.offer(WaitingBot(bot_id, {"id": (bot_id,), "os": tuple(values)})),
    some.sampled_from(MANY),
    some_values,
)
gone = some.sampled_from(MANY).map(lambda bot_id: lambda engine: engine.withdraw(bot_id))


@pytest.mark.usefixtures("sizes")
@seed(run_seed())
@settings(max_examples=100, deadline=None)
@given(
    some.lists(some.one_of(one_of_many, one_of_many, able, removed), max_size=80),
    some.lists(some.one_of(one_of_many, able, able, gone), max_size=80),
)
def test_of_many_queues_and_of_many_bots_the_first_is_found(busy: list[Step], idle: list[Step]):
    assert_same_decisions([*busy, *idle])


def assert_same_decisions(history: list[Step]) -> None:
    engine, naive = Engine(), NaiveEngine()

    for step in history:
        assert step(engine) == step(naive)

        assert (engine.pending, engine.waiting) == (len(naive.tasks), len(naive.bots))
    for number in range(1, 41):
        assert engine.place_of(TaskId(number)) == naive.place_of(TaskId(number))
