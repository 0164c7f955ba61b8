"""How runs are handed out, confirmed, taken back and lost."""

from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_scheduler.usecases.cancel import cancel
from swarming_scheduler.usecases.expire import expire
from swarming_scheduler.usecases.hand_out import decline, listen_anew, resend_unconfirmed, revoke_silent
from swarming_scheduler.usecases.offer import drop_stale_offers, take_offer, take_offers, withdraw_offer
from swarming_scheduler.usecases.report import hear_of_run
from swarming_scheduler.usecases.take_in import take_in
from tests.unit.scheduler.builders import World, a_request, a_slice


def test_a_task_goes_to_a_waiting_bot_at_once(world: World):
    offer = world.offer("bot1")

    task = world.submit()

    assert task.state is TaskState.RUNNING
    assert [(one.offer_id, one.bot_id) for one in world.sent] == [(offer.offer_id, "bot1")]
    assert world.told == ["task.queued", "task.assigned"]


def test_a_bot_that_comes_later_gets_the_pending_task(world: World):
    task = world.submit()

    world.offer("bot1")

    assert task.state is TaskState.RUNNING
    assert task.run is not None
    assert task.run.bot_id == "bot1"


def test_a_task_that_is_told_twice_is_taken_in_once(world: World):
    task, run = world.running()
    take_in(world.state, task.task_id, task.created_ts, world.requests[task.task_id], world.now)
    world.report(run, exit_code=0, duration=1.0)

    take_in(world.state, task.task_id, task.created_ts, world.requests[task.task_id], world.now)
    world.commit()

    assert world.told == ["task.queued", "task.assigned", "task.completed"]
    assert task.task_id not in world.state.tasks


def test_a_bot_with_an_unfinished_run_is_given_nothing_but_that_run(world: World):
    _, run = world.running("bot1")
    other = world.submit()

    again = world.offer("bot1")

    assert other.state is TaskState.PENDING
    assert [(one.task_id, one.offer_id) for one in world.sent[1:]] == [(run.run_id.task_id, again.offer_id)]


def test_a_confirmed_run_is_not_sent_again(world: World):
    _, run = world.running("bot1")
    world.report(run, ReportKind.CONFIRMED)

    world.offer("bot1")

    assert len(world.sent) == 1


def test_an_unconfirmed_run_is_sent_again_after_one_two_and_four_seconds(world: World):
    world.running("bot1")
    sent_at = []

    for tenth in range(1, 100):
        world.pass_time(0.1)
        before = len(world.sent)
        resend_unconfirmed(world.state, world.now)
        world.commit()
        if len(world.sent) > before:
            sent_at.append(round(tenth / 10, 1))

    assert sent_at == [1.0, 2.0, 4.0]


def test_an_offer_that_comes_twice_gets_no_second_run(world: World):
    offer = world.offer("bot1")
    world.submit()
    second = world.submit()

    take_offer(world.state, offer, world.now)
    world.commit()

    assert second.state is TaskState.PENDING
    assert len(world.sent) == 1


def test_a_decline_of_the_newest_offer_gives_the_same_run_to_another_bot(world: World):
    task, run = world.running("bot1")
    decline(world.state, task.task_id, 1, run.offer_id, world.now)
    world.commit()
    assert run.revoking is not None

    world.settle()
    world.offer("bot2")

    assert task.run is not None
    assert (task.run.bot_id, task.run.run_id) == ("bot2", run.run_id)
    assert world.told == ["task.queued", "task.assigned", "task.requeued", "task.assigned"]


def test_a_decline_of_an_older_offer_counts_for_nothing(world: World):
    task, run = world.running("bot1")
    old = run.offer_id
    world.offer("bot1")

    decline(world.state, task.task_id, 1, old, world.now)

    assert run.revoking is None


def test_a_bot_that_confirmed_just_before_the_run_was_taken_back_keeps_it(world: World):
    task, run = world.running("bot1")
    decline(world.state, task.task_id, 1, run.offer_id, world.now)
    world.commit()

    world.settle(ReportKind.CONFIRMED)

    assert (task.run, run.is_confirmed, run.revoking) == (run, True, None)


def test_a_report_that_came_just_before_the_run_was_taken_back_ends_the_task(world: World):
    task, run = world.running("bot1")
    decline(world.state, task.task_id, 1, run.offer_id, world.now)
    world.commit()

    world.settle(ReportKind.CONFIRMED, ReportKind.FINISHED)

    assert task.state is TaskState.COMPLETED


def test_a_run_that_is_never_confirmed_is_taken_back_after_seventy_seconds(world: World):
    task, run = world.running("bot1")
    world.pass_time(69)
    resend_unconfirmed(world.state, world.now)
    assert run.revoking is None

    world.pass_time(1)
    resend_unconfirmed(world.state, world.now)
    world.commit()
    world.settle()

    assert task.state is TaskState.PENDING


def test_a_run_that_is_taken_back_after_its_task_expired_is_given_to_nobody(world: World):
    world.submit(a_request(slices=(a_slice(expiration_secs=60),)))
    world.offer("bot1")
    world.pass_time(65)
    world.offer("bot2")

    world.pass_time(5)
    resend_unconfirmed(world.state, world.now)
    world.commit()
    world.settle()
    expire(world.state, world.now)
    world.commit()

    assert world.told == ["task.queued", "task.assigned", "task.requeued", "task.expired"]
    assert {one.bot_id for one in world.sent} == {"bot1"}


def test_a_withdrawn_offer_gets_nothing(world: World):
    offer = world.offer("bot1")
    withdraw_offer(world.state, "bot1", offer.offer_id, world.now)

    task = world.submit()

    assert task.state is TaskState.PENDING
    assert world.state.bots == {}


def test_a_gateway_that_lists_its_offers_takes_back_those_it_does_not_list(world: World):
    world.offer("bot1")
    kept = world.offer("bot2")

    take_offers(world.state, "gateway1", [kept], [kept.offer_id], world.now)

    assert set(world.state.bots) == {"bot2"}
    assert world.state.engine.waiting == 1


def test_a_gateway_that_lists_its_offers_in_parts_keeps_them_all(world: World):
    world.offer("bot1")
    kept = [world.offer("bot2"), world.offer("bot3")]

    take_offers(world.state, "gateway1", kept[:1], [one.offer_id for one in kept], world.now)
    take_offers(world.state, "gateway1", kept[1:], None, world.now)

    assert set(world.state.bots) == {"bot2", "bot3"}


def test_an_offer_that_a_gateway_still_lists_gets_its_run_again(world: World):
    offer = world.offer("bot1")
    world.submit()

    take_offers(world.state, "gateway1", [offer], [offer.offer_id], world.now)
    world.commit()

    assert [one.offer_id for one in world.sent] == [offer.offer_id, offer.offer_id]


def test_a_confirmation_that_is_read_again_is_a_life_sign(world: World):
    """So a gateway that is cut off from the bus tells of its runs, by their rows."""
    _, run = world.running("bot1", a_request(tolerance=60))
    world.report(run, ReportKind.CONFIRMED)
    world.pass_time(80)
    world.report(run, ReportKind.CONFIRMED)

    world.pass_time(80)
    revoke_silent(world.state, world.now)

    assert run.revoking is None


def test_a_silent_bot_s_task_is_tried_once_on_another_bot(world: World):
    task, run = world.running("bot1", a_request(tolerance=60))
    world.report(run, ReportKind.CONFIRMED)

    world.pass_time(90)
    revoke_silent(world.state, world.now)
    world.commit()
    world.settle(ReportKind.CONFIRMED)
    world.offer("bot1")
    assert task.state is TaskState.PENDING, "never on the bot that failed"
    world.offer("bot2")

    assert task.run is not None
    assert str(task.run.run_id).endswith("12")
    assert world.told[-2:] == ["task.retried", "task.assigned"]


def test_a_second_loss_ends_the_task(world: World):
    task, run = world.running("bot1")
    world.report(run, ReportKind.LOST)
    world.offer("bot2")
    assert task.run is not None

    world.report(task.run, ReportKind.LOST)

    assert task.state is TaskState.BOT_DIED
    assert task.abandoned_ts == task.completed_ts == world.now


def test_a_bot_that_is_heard_is_not_silent(world: World):
    task, run = world.running("bot1", a_request(tolerance=60))
    world.report(run, ReportKind.CONFIRMED)
    world.pass_time(60)
    hear_of_run(world.state, task.task_id, 1, world.now)

    world.pass_time(60)
    revoke_silent(world.state, world.now)

    assert run.revoking is None


def test_silence_while_nobody_could_listen_does_not_count(world: World):
    _, run = world.running("bot1", a_request(tolerance=60))
    world.report(run, ReportKind.CONFIRMED)
    world.pass_time(600)  # the message bus is away
    listen_anew(world.state, world.now)

    world.pass_time(60)
    revoke_silent(world.state, world.now)

    assert run.revoking is None


def test_a_report_of_a_superseded_run_changes_nothing(world: World):
    task, run = world.running("bot1")
    world.report(run, ReportKind.LOST)
    world.offer("bot2")

    world.report(run, ReportKind.FINISHED, exit_code=0, duration=1.0)

    assert task.state is TaskState.RUNNING
    assert task.run is not None
    assert task.run.bot_id == "bot2"


def test_a_failure_that_the_bot_reported_is_not_tried_again(world: World):
    task, run = world.running("bot1")

    world.report(run, ReportKind.FAILED, message="out of disk")

    assert (task.state, task.reason) == (TaskState.BOT_DIED, "out of disk")


def test_a_free_bot_that_offered_itself_early_gets_the_next_task(world: World):
    _, run = world.running("bot1")
    world.report(run, ReportKind.CONFIRMED)
    second = world.submit()
    world.offer("bot1")

    world.report(run, exit_code=0, duration=1.0)

    assert second.run is not None
    assert second.run.bot_id == "bot1"


def test_killing_ends_when_the_bot_says_so(world: World):
    task, run = world.running("bot1")
    world.report(run, ReportKind.CONFIRMED)

    outcome = cancel(world.state, task.task_id, kill_running=True, now=world.now)
    assert (outcome.ok, outcome.was_running, task.state) == (True, True, TaskState.RUNNING)
    world.report(run, exit_code=-15, duration=1.0)

    assert task.state is TaskState.KILLED


def test_a_running_task_is_not_cancelled_unless_killing_is_asked_for(world: World):
    task, _ = world.running("bot1")

    outcome = cancel(world.state, task.task_id, kill_running=False, now=world.now)

    assert (outcome.ok, outcome.was_running) == (False, True)


def test_a_killed_task_whose_run_was_never_confirmed_is_canceled(world: World):
    task, run = world.running("bot1")
    cancel(world.state, task.task_id, kill_running=True, now=world.now)
    decline(world.state, task.task_id, 1, run.offer_id, world.now)
    world.commit()

    world.settle()

    assert task.state is TaskState.CANCELED


def test_a_run_that_was_stopped_before_it_started_without_anybody_asking_is_given_out_anew(world: World):
    task, run = world.running("bot1")

    world.report(run, ReportKind.CANCELED)
    world.offer("bot2")

    assert task.run is not None
    assert (task.run.bot_id, task.run.run_id.number) == ("bot2", 2)
    assert task.retries == 1


def test_a_kill_that_came_before_the_process_started_cancels_the_task(world: World):
    task, run = world.running("bot1")
    cancel(world.state, task.task_id, kill_running=True, now=world.now)

    world.report(run, ReportKind.CANCELED)

    assert (task.state, run.state) == (TaskState.CANCELED, TaskState.CANCELED)


def test_a_bot_that_polls_at_another_gateway_is_not_offered_to_the_old_one(world: World):
    ghost = world.offer("bot1")
    alive = ghost.model_copy(update={"offer_id": "alive", "gateway_id": "gateway2"})
    take_offer(world.state, alive, world.now)
    world.submit()
    second = world.submit()

    assert [one.offer_id for one in world.sent] == ["alive"]
    assert second.state is TaskState.PENDING
    assert world.state.bots["bot1"].offers == {}


def test_offers_of_a_gateway_that_died_are_forgotten(world: World):
    world.offer("bot1")
    world.pass_time(89)
    drop_stale_offers(world.state, world.now)
    assert set(world.state.bots) == {"bot1"}

    world.pass_time(2)
    drop_stale_offers(world.state, world.now)

    assert world.submit().state is TaskState.PENDING
    assert world.state.bots == {}


def test_a_task_whose_every_run_was_given_back_ends(world: World):
    task, _ = world.running("bot1")
    for number in range(2, 40):
        if task.run is None:
            break
        world.report(task.run, ReportKind.CANCELED)
        if task.state is TaskState.PENDING:
            world.offer(f"bot{number}")

    assert task.state is TaskState.BOT_DIED
    assert task.run_number == 15


def test_memory_follows_what_lives_not_what_has_ended(world: World):
    for _ in range(5_000):
        task = world.submit()
        cancel(world.state, task.task_id, kill_running=False, now=world.now)

    assert len(world.state.expirations) <= 1_001
    assert world.state.engine.pending == 0
