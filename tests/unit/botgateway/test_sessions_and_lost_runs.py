"""Which process of a bot is speaking, and what becomes of the runs that an older one left behind."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import insert

from swarming_botgateway.sessions import Session, begin_session, parse_session
from swarming_common.database import tables
from swarming_common.hints.scheduler import OfferMade, RunReported
from swarming_common.model.reports import ReportKind
from swarming_common.model.task_id import RunId
from tests.unit.botgateway.world import Bot, World

NOW = datetime(2026, 7, 1, tzinfo=UTC)


def test_a_session_survives_its_way_to_the_bot_and_back():
    session = begin_session("p/1", NOW, None)

    assert parse_session(str(session)) == session


def test_a_new_process_gets_a_newer_session_even_when_the_clock_went_back():
    first = begin_session("p/1", NOW, None)

    second = begin_session("p/2", NOW - timedelta(hours=1), first)

    assert second.is_newer(first)
    assert not first.is_newer(second)


def test_the_same_process_keeps_its_session():
    first = begin_session("p/1", NOW, None)

    assert begin_session("p/1", NOW + timedelta(seconds=9), first) == first


def test_what_is_no_session_of_ours_is_none():
    tokens: list[object] = [None, 7, "", "sess-b8fe7e91", "0" * 12, []]

    assert [parse_session(token) for token in tokens] == [None] * 6


def test_sessions_of_one_process_are_never_newer_than_one_another():
    assert not Session(2, "a").is_newer(Session(1, "a"))


async def test_a_bot_that_is_not_known_is_told_to_restart(world):
    bot = Bot("never seen")

    answer = await world.start_poll(bot)

    assert (answer["cmd"], bool(answer["message"])) == ("bot_restart", True)


async def test_a_poll_without_a_session_or_with_a_foreign_one_is_told_to_restart(world):
    bot = await world.a_connected_bot()

    for session in (None, "sess-1", str(Session(2**47, "f" * 16))):
        bot.session = session
        assert (await world.start_poll(bot))["cmd"] == "bot_restart"


async def test_a_poll_with_an_older_session_is_refused(world):
    old = await world.a_connected_bot(process="old/1")
    new = await world.a_connected_bot(process="new/2")

    response = await world.post("poll", old.poll_body())

    assert (response.status_code, response.json()["error"][:9]) == (400, "session: ")
    await world.held_poll(new)


async def test_a_handshake_ends_the_poll_of_the_process_before(world):
    old = await world.a_connected_bot(process="old/1")
    poll, _ = await world.held_poll(old)

    await world.a_connected_bot(process="new/2")

    assert (await poll)["cmd"] == "sleep"


async def test_the_shutdown_of_an_older_process_does_not_end_the_newers_poll(world):
    old = await world.a_connected_bot(process="old/1")
    new = await world.a_connected_bot(process="new/2")
    poll, _ = await world.held_poll(new)

    await world.post("event", old.word(session=old.session, event="bot_shutdown", message=""))

    assert not poll.done()


async def test_a_handshake_without_the_confirmed_run_says_that_it_is_lost(world):
    old = await world.a_connected_bot(process="old/1")
    run = await world.a_run("bot1")
    await world.update(old, run)

    new = await world.a_connected_bot(process="new/2")

    told = await world.hint(RunReported, number=1)
    assert (told.report.kind, told.task_id, told.bot_id) == (ReportKind.LOST, run.task_id, "bot1")
    assert await world.report_kinds() == ["confirmed", "lost"]
    await world.held_poll(new)


async def test_a_lost_run_takes_no_late_end_from_the_process_before(world):
    old = await world.a_connected_bot(process="old/1")
    run = await world.a_run("bot1")
    await world.update(old, run)
    await world.a_connected_bot(process="new/2")

    late = await world.update(old, run, exit_code=0, duration=1)

    assert late.json()["must_stop"]
    assert await world.report_kinds() == ["confirmed", "lost"]


async def test_a_repeated_handshake_of_the_same_process_loses_nothing(world):
    bot = await world.a_connected_bot()
    session = bot.session
    run = await world.a_run("bot1")
    await world.update(bot, run)

    await world.shake_hands(bot)

    assert bot.session == session
    assert await world.report_kinds() == ["confirmed"]


async def test_a_run_that_nobody_confirmed_is_not_lost_at_a_handshake(world):
    await world.a_connected_bot(process="old/1")
    run = await world.a_run("bot1")

    new = await world.a_connected_bot(process="new/2")
    poll, offer = await world.held_poll(new)
    world.assign(offer, run)

    assert (await poll)["cmd"] == "run"
    assert await world.rows(tables.run_report) == []


async def test_a_poll_with_a_newer_session_than_the_confirming_one_says_that_the_run_is_lost(world):
    old = await world.a_connected_bot(process="old/1")
    run = await world.a_run("bot1", shard=5)
    new = await world.a_connected_bot(process="new/2")
    # On PostgreSQL a confirmation and a handshake may commit without seeing each other.
    await write_confirmation(world, run, 5, old)

    await world.held_poll(new)

    assert await world.report_kinds() == ["confirmed", "lost"]
    assert (await world.hint(RunReported, 5)).report.kind is ReportKind.LOST
    assert world.of_kind(OfferMade, 5) == []


async def test_a_poll_of_the_process_that_confirmed_loses_nothing_within_the_grace(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1", shard=5)
    await world.update(bot, run)

    await world.held_poll(bot, 5)

    assert await world.report_kinds() == ["confirmed"]
    assert world.of_kind(OfferMade) == []


async def test_a_process_that_was_replaced_cannot_begin_a_run_and_the_new_one_can(world):
    old = await world.a_connected_bot(process="old/1")
    run = await world.a_run("bot1")
    new = await world.a_connected_bot(process="new/2")

    answers = [await world.update(one, run) for one in (old, new)]

    assert [(one.json()["ok"], one.json()["must_stop"]) for one in answers] == [(False, True), (True, False)]


async def write_confirmation(world: World, run: RunId, shard: int, bot: Bot) -> None:
    row = {
        "task_id": run.task_id, "run_number": run.number, "bot_id": bot.bot_id, "kind": ReportKind.CONFIRMED.value,
        "shard": shard, "session": bot.session, "created_ts": NOW, "hard_timeout": False, "io_timeout": False,
    }  # fmt: skip
    await world.ports.database.write(lambda c: c.execute(insert(tables.run_report), row))
