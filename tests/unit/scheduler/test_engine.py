"""The engine's corners; that it decides rightly in general is shown in test_engine_property.py."""

import pytest

from swarming_common.model.dimensions import requirements
from swarming_common.model.task_id import TaskId
from swarming_scheduler.engine import matching, queues
from swarming_scheduler.engine.bots import WaitingBot
from swarming_scheduler.engine.matching import Engine, Match
from swarming_scheduler.engine.place import Place
from swarming_scheduler.engine.queues import Ticket
from swarming_scheduler.engine.standings import FEW, LARGEST_STRETCH, NOTHING, Standings


@pytest.fixture
def engine() -> Engine:
    return Engine()


def a_ticket(number: int, *, priority: int = 100, created: int | None = None) -> Ticket:
    return Ticket(priority, number if created is None else created, TaskId(number))


def a_bot(bot_id: str = "bot1", **dimensions: str) -> WaitingBot:
    values = {"pool": "default", **dimensions}
    return WaitingBot(bot_id, {"id": (bot_id,)} | {key: tuple(value.split(",")) for key, value in values.items()})


def asking(**dimensions: str):
    return requirements({"pool": "default", **dimensions}.items())


def taken(engine: Engine, bot: WaitingBot, count: int) -> list[int | None]:
    matches = [engine.offer(bot) for _ in range(count)]
    return [None if match is None else match.task_id for match in matches]


def test_the_lower_priority_number_goes_first_then_the_older_task(engine: Engine):
    engine.submit(a_ticket(1, priority=100), asking())
    engine.submit(a_ticket(2, priority=50), asking(os="Linux"))
    engine.submit(a_ticket(3, priority=50), asking())

    assert taken(engine, a_bot(os="Linux"), 4) == [2, 3, 1, None]


def test_below_zero_the_newest_goes_first(engine: Engine):
    for number in (1, 2, 3):
        engine.submit(a_ticket(number, created=-number), asking())

    assert taken(engine, a_bot(), 3) == [3, 2, 1]


def test_tasks_of_the_same_microsecond_go_by_their_ids(engine: Engine):
    engine.submit(a_ticket(2, created=7), asking(os="Linux"))
    engine.submit(a_ticket(1, created=7), asking())
    engine.submit(a_ticket(3, created=7), asking())

    assert taken(engine, a_bot(os="Linux"), 3) == [1, 2, 3]


def test_a_repeated_key_means_all_and_alternatives_mean_one(engine: Engine):
    asked = requirements([("pool", "default"), ("os", "Linux"), ("os", "Ubuntu|Debian")])
    engine.submit(a_ticket(1), asked)

    assert engine.offer(a_bot("linux", os="Linux")) is None
    assert engine.offer(a_bot("debian", os="Debian")) is None
    assert engine.offer(a_bot("both", os="Debian,Linux")) == Match(TaskId(1), "both")


def test_a_task_goes_to_the_bot_that_waits_longest(engine: Engine):
    engine.offer(a_bot("first", os="Mac"))
    engine.offer(a_bot("second", os="Linux"))
    engine.offer(a_bot("third"))
    engine.offer(a_bot("first", os="Mac"))

    found = [engine.submit(a_ticket(number), asking()) for number in (1, 2, 3)]

    assert [match and match.bot_id for match in found] == ["second", "third", "first"]


def test_another_priority_changes_the_place_of_a_pending_task(engine: Engine):
    for number in (1, 2, 3):
        engine.submit(a_ticket(number), asking())

    engine.submit(a_ticket(3, priority=50), asking())
    engine.submit(a_ticket(1, priority=200), asking())

    assert taken(engine, a_bot(), 4) == [3, 2, 1, None]


def test_a_task_that_changed_its_priority_there_and_back_is_given_once(engine: Engine):
    for number in (1, 2, 3):
        engine.submit(a_ticket(number), asking())

    engine.submit(a_ticket(3, priority=200), asking())
    engine.submit(a_ticket(3), asking())

    assert taken(engine, a_bot(), 4) == [1, 2, 3, None]


def test_a_task_never_goes_back_to_a_bot_that_it_excludes(engine: Engine):
    engine.submit(a_ticket(1), asking(), frozenset(["bot1"]))
    engine.submit(a_ticket(2), asking(os="Linux"))
    engine.submit(a_ticket(3), asking())

    assert taken(engine, a_bot("bot1", os="Linux"), 3) == [2, 3, None]
    assert engine.submit(a_ticket(4), asking(), frozenset(["bot1"])) is None
    assert taken(engine, a_bot("bot2"), 3) == [1, 4, None]


def test_of_the_bots_that_a_task_does_not_exclude_the_longest_waiting_gets_it(engine: Engine):
    for bot_id, system in [("lost1", "Mac"), ("lost2", "Linux"), ("mac", "Mac"), ("linux", "Linux")]:
        engine.offer(a_bot(bot_id, os=system))

    found = [engine.submit(a_ticket(number), asking(), frozenset(["lost1", "lost2"])) for number in (1, 2)]
    engine.offer(a_bot("late", os="Mac"))
    last = engine.submit(a_ticket(3), asking(), frozenset(["lost1"]))

    assert [match and match.bot_id for match in (*found, last)] == ["mac", "linux", "lost2"]


def test_a_task_that_asks_for_a_bot_by_id_waits_for_that_bot(engine: Engine):
    engine.offer(a_bot("bot1"))
    engine.submit(a_ticket(2), asking())
    engine.submit(a_ticket(1), requirements([("id", "bot2|bot3")]))

    assert engine.offer(a_bot("bot1")) is None
    assert engine.offer(a_bot("bot3")) == Match(TaskId(1), "bot3")
    assert engine.submit(a_ticket(3), requirements([("id", "bot1")])) == Match(TaskId(3), "bot1")


def test_a_bot_that_changes_while_it_waits_is_known_as_it_is_now(engine: Engine):
    engine.offer(a_bot("bot1", os="Linux"))
    engine.offer(a_bot("bot1", os="Windows"))

    assert engine.submit(a_ticket(1), asking(os="Linux")) is None
    assert engine.submit(a_ticket(2), asking(os="Windows")) == Match(TaskId(2), "bot1")


def test_a_bot_that_gained_a_dimension_is_another(engine: Engine):
    engine.offer(a_bot("bot1", os="Linux"))
    engine.offer(a_bot("bot1", os="Linux", gpu="nvidia"))

    assert engine.submit(a_ticket(1), asking(gpu="nvidia")) == Match(TaskId(1), "bot1")


def test_hundreds_of_new_sets_do_not_matter_to_a_bot_that_can_serve_none(engine: Engine):
    engine.offer(a_bot("bot1"))
    for number in range(1, 1_001):
        engine.submit(a_ticket(number), asking(build=str(number)))

    assert engine.offer(a_bot("bot1")) is None
    assert engine.submit(a_ticket(1_001), asking()) == Match(TaskId(1_001), "bot1")


def test_the_place_of_a_task_names_what_goes_first_in_its_own_queue(engine: Engine):
    for number in range(1, 8):
        engine.submit(a_ticket(number), asking())
    engine.submit(a_ticket(8, priority=50), asking())
    engine.submit(a_ticket(9), asking(os="Linux"))
    engine.remove(TaskId(2))

    assert engine.place_of(TaskId(7)) == Place(
        rank=7, ahead_by_priority=1, ahead_by_age=5, queue_length=7, next_up=tuple(map(TaskId, (8, 1, 3, 4, 5)))
    )
    assert engine.place_of(TaskId(9)) == Place(1, 0, 0, 1, ())
    assert engine.place_of(TaskId(2)) is None


def test_the_place_of_a_task_is_right_in_a_long_queue(engine: Engine):
    tickets = [a_ticket(number, priority=number * 7 % 3) for number in range(1, 5 * queues.LARGEST_STRETCH)]
    for ticket in tickets:
        engine.submit(ticket, asking())

    for rank, ticket in enumerate(sorted(tickets), start=1):
        by_priority = sum(one.priority < ticket.priority for one in tickets)
        place = engine.place_of(ticket.task_id)
        assert place is not None
        assert (place.rank, place.ahead_by_priority, place.ahead_by_age) == (rank, by_priority, rank - 1 - by_priority)


def test_a_queue_gives_back_the_room_of_what_left(engine: Engine):
    for number in range(1, 20_001):
        engine.submit(a_ticket(number), asking())
        if number > 3_000:
            engine.remove(TaskId(number - 1_500))

    queue = engine._queues.get(asking())
    assert queue is not None
    assert len(list(queue)) == engine.pending == 3_000
    assert len(queue._stretches) <= 2 * engine.pending / queues.LARGEST_STRETCH + 2


def test_a_queue_from_which_all_left_takes_new_tasks(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(queues, "LARGEST_STRETCH", 2)
    for number in range(1, 10):
        engine.submit(a_ticket(number), asking())
    for number in (5, 1, 9, 3, 2, 8, 4, 7, 6):
        engine.remove(TaskId(number))

    for number in (12, 10, 11):
        engine.submit(a_ticket(number), asking())

    assert taken(engine, a_bot(), 4) == [10, 11, 12, None]


def test_queues_that_nobody_uses_any_more_are_dropped(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(matching, "LOOK_AFTER", 100)
    engine.submit(a_ticket(1), asking(gpu="always"))
    for number in range(2, 1_000):
        engine.submit(a_ticket(number), asking(build=str(number)))
        engine.remove(TaskId(number))

    assert len(engine._queues) <= 201
    assert taken(engine, a_bot(gpu="always"), 1) == [1]


def test_a_queue_for_a_bot_goes_with_its_last_task(engine: Engine):
    for number in range(1, 100):
        engine.submit(a_ticket(number), requirements([("id", f"bot{number}")]))
        engine.remove(TaskId(number))

    assert not engine._pinned._by_asked
    assert not engine._pinned.by_id


def test_a_class_goes_with_its_last_bot(engine: Engine):
    for number in range(100):
        engine.offer(a_bot("bot1", free_disk=str(number)))

    assert len(engine._classes) == 1
    assert engine.waiting == 1


def test_bots_that_are_gone_for_long_are_forgotten(engine: Engine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(matching, "REMEMBERED_BOTS", 10)
    engine.offer(a_bot("waiting", os="Mac"))
    for number in range(100):
        engine.offer(a_bot(f"bot{number}", serial=str(number)))
        engine.withdraw(f"bot{number}")

    assert len(engine._known) <= 13
    assert len(engine._classes) <= 13
    assert engine.submit(a_ticket(1), asking(os="Mac")) == Match(TaskId(1), "waiting")


def test_standings_keep_their_order_over_many_stretches():
    standings = Standings()
    values = [number * 7919 % 5_000 * 1_000 for number in range(5_000)]

    for value in values:
        standings.put(standings.add(), value)
    for number in range(0, 5_000, 3):
        standings.put(number, NOTHING)
        values[number] = NOTHING
    for number in range(1, 5_000, 3):
        values[number] = number * 4_441 % 5_000 * 1_000 + 1
        standings.put(number, values[number])

    left = sorted((number for number in range(5_000) if number % 3), key=values.__getitem__)
    assert list(standings.in_order((1 << 5_000) - 1)) == left
    assert standings.first_of(sum(1 << number for number in left[1_000:])) == left[1_000]
    assert standings.first_of(sum(1 << number for number in left[-FEW:])) == left[-FEW]
    assert standings.first_of(sum(1 << number for number in range(0, 5_000, 3))) is None
    assert all(LARGEST_STRETCH // 4 <= size <= LARGEST_STRETCH for size in standings._sizes[:-1])
