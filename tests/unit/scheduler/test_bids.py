"""A bot that is offered to several shards gets a bid, and a run only when the bid is accepted."""

from datetime import timedelta

from swarming_common.model.states import TaskState
from swarming_scheduler.usecases.assign import BID_SECONDS
from swarming_scheduler.usecases.bid import end_lost_bids
from swarming_scheduler.usecases.offer import withdraw_offer
from tests.unit.scheduler.builders import World, a_request


def lose_bids(world: World) -> None:
    world.pass_time(BID_SECONDS)
    end_lost_bids(world.state, world.now)
    world.commit()


def test_a_question_is_answered_from_memory_and_nothing_is_written_until_the_bid_is_accepted(world: World):
    task = world.submit()
    told = list(world.told)

    offer = world.offer("bot1", wants_bid=True)

    assert world.bids() == [("bot1", task.task_id)]
    assert world.told == told
    assert task.state is TaskState.PENDING
    world.accept(offer)
    assert task.run is not None
    assert task.run.bot_id == "bot1"
    assert world.told == [*told, "task.assigned"]


def test_a_shard_that_has_nothing_says_so_and_bids_when_a_task_comes(world: World):
    offer = world.offer("bot1", wants_bid=True)
    assert world.bids() == [("bot1", None)]

    task = world.submit()

    assert world.bids() == [("bot1", task.task_id)]
    world.accept(offer)
    assert task.state is TaskState.RUNNING


def test_one_task_is_bid_for_one_bot_at_a_time(world: World):
    for number in range(3):
        world.offer(f"bot{number}", wants_bid=True)
    world.bids()

    task = world.submit()

    assert world.bids() == [("bot0", task.task_id)]


def test_two_tasks_are_bid_for_two_bots(world: World):
    for number in range(3):
        world.offer(f"bot{number}", wants_bid=True)
    world.bids()

    first, second = world.submit(), world.submit()

    assert [bot_id for bot_id, _ in world.bids()] == ["bot0", "bot1"]
    assert {first.state, second.state} == {TaskState.PENDING}


def test_a_bid_that_is_not_answered_goes_to_the_next_bot_and_is_repeated(world: World):
    offer = world.offer("bot0", wants_bid=True)
    world.offer("bot1", wants_bid=True)
    task = world.submit()
    world.bids()

    lose_bids(world)

    assert world.bids() == [("bot1", task.task_id), ("bot0", task.task_id)]
    world.accept(offer)
    assert task.run is not None
    assert task.run.bot_id == "bot0"


def test_a_gateway_that_never_answers_is_asked_less_and_less(world: World):
    world.offer("bot0", wants_bid=True)
    world.submit()
    world.bids()
    bids = 0

    for _ in range(20):
        lose_bids(world)
        bids += len(world.bids())

    assert bids <= 5


def test_a_bot_that_took_another_shards_run_leaves_the_task_to_the_next_bot_at_once(world: World):
    offer = world.offer("bot0", wants_bid=True)
    world.offer("bot1", wants_bid=True)
    task = world.submit()
    world.bids()

    withdraw_offer(world.state, "bot0", offer.offer_id, world.now)

    assert world.bids() == [("bot1", task.task_id)]


def test_an_acceptance_after_the_task_is_gone_is_answered_with_nothing_and_the_bot_waits_on(world: World):
    offer = world.offer("bot0", wants_bid=True)
    world.submit()
    world.offer("of-one-pool")
    world.bids()

    world.accept(offer)

    assert world.bids() == [("bot0", None)]
    later = world.submit()
    assert world.bids() == [("bot0", later.task_id)]


def test_a_doubled_acceptance_starts_one_run(world: World):
    first, second = world.submit(), world.submit()
    offer = world.offer("bot0", wants_bid=True)

    world.accept(offer)
    world.accept(offer)

    assert (first.state, second.state) == (TaskState.RUNNING, TaskState.PENDING)


def test_an_acceptance_for_an_offer_that_is_not_known_does_nothing(world: World):
    task = world.submit()
    offer = world.offer("bot0", wants_bid=True)
    withdraw_offer(world.state, "bot0", offer.offer_id, world.now)

    world.accept(offer)

    assert task.state is TaskState.PENDING


def test_what_comes_after_another_shards_bid_by_now_is_bid_again_instead_of_assigned(world: World):
    urgent, late = world.submit(a_request(priority=20)), world.submit(a_request(priority=200))
    offer = world.offer("bot0", wants_bid=True)
    world.offer("of-one-pool")
    assert urgent.state is TaskState.RUNNING
    world.bids()

    world.accept(offer, next_best=(100, urgent.task_id))

    assert late.state is TaskState.PENDING
    assert world.bids() == [("bot0", late.task_id)]
    world.accept(offer)
    assert late.state is TaskState.RUNNING


def test_a_bot_of_one_pool_that_waits_gets_the_urgent_task_whose_bid_is_open_before_a_new_one(world: World):
    asked = world.offer("asked", wants_bid=True)
    world.offer("of-one-pool")
    urgent = world.submit(a_request(priority=20))
    assert world.bids()[-1] == ("asked", urgent.task_id)

    later = world.submit(a_request(priority=200))

    assert urgent.run is not None
    assert urgent.run.bot_id == "of-one-pool"
    world.accept(asked)
    assert later.run is not None
    assert later.run.bot_id == "asked"


def test_a_bot_of_one_pool_gets_a_task_that_is_bid_for_another(world: World):
    world.offer("asked", wants_bid=True)
    task = world.submit()

    world.offer("of-one-pool")

    assert task.run is not None
    assert task.run.bot_id == "of-one-pool"


def test_the_task_of_a_lost_bid_goes_to_a_bot_of_one_pool_that_waits(world: World):
    world.offer("asked", wants_bid=True)
    world.offer("of-one-pool")
    task = world.submit()

    lose_bids(world)

    assert task.run is not None
    assert task.run.bot_id == "of-one-pool"


def test_a_newer_offer_of_a_bot_gets_its_bid(world: World):
    world.offer("bot0", "first", wants_bid=True)
    task = world.submit()
    world.bids()

    world.now += timedelta(seconds=0.1)
    newer = world.offer("bot0", "second", wants_bid=True)

    assert world.bids() == [("bot0", task.task_id)]
    world.accept(newer)
    assert task.run is not None
    assert task.run.offer_id == "second"
