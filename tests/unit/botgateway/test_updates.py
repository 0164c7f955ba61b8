"""Updates are stored once, by offset, and only from the bot whose run it is."""

import asyncio

import pytest

from swarming_botgateway.usecases import report as report_module
from swarming_common.database import tables
from swarming_common.errors import DatabaseAway
from swarming_common.hints.scheduler import RunReported
from swarming_common.model.states import TaskState
from tests.unit.botgateway.world import Bot, a_run_id, a_world, encoded, some_settings


@pytest.mark.parametrize(
    "not_its_run",
    [
        {"bot_id": "bot2"},
        {"revoked": True},
        {"state": int(TaskState.COMPLETED)},
    ],
)
async def test_an_update_of_a_run_that_is_not_the_bots_is_told_to_stop_and_stored_nowhere(world, not_its_run):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1", **not_its_run)

    answers = [
        await world.update(bot, run),
        await world.update(bot, run, output=encoded(b"x"), output_chunk_start=0),
        await world.update(bot, run, exit_code=0, duration=1),
    ]

    assert [(one.status_code, one.json()["ok"], one.json()["must_stop"]) for one in answers] == [(200, False, True)] * 3
    assert await world.rows(tables.run_report) == []
    assert await world.output(run) == {}
    await world.turn()
    assert world.of_kind(RunReported) == []


@pytest.mark.parametrize("given_up", [TaskState.BOT_DIED, TaskState.KILLED])
async def test_a_run_that_was_given_up_for_silence_keeps_what_comes_late_and_is_told_to_stop(world, given_up):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await world.update(bot, run, output=encoded(b"early"), output_chunk_start=0)
    await world.change_run(run, state=int(given_up))

    answers = [
        await world.update(bot, run, output=encoded(b"late"), output_chunk_start=5),
        await world.update(bot, run, exit_code=0, duration=1, cost_usd=0.25),
        await world.update(bot, run, output=encoded(b"after the end"), output_chunk_start=9),
    ]

    assert all(one.json()["must_stop"] for one in answers)
    assert await world.output(run) == {0: b"early", 5: b"late"}
    assert await world.report_kinds() == ["confirmed", "late"]
    await world.turn()
    assert [hint.report.kind for hint in world.of_kind(RunReported)] == ["confirmed", "late"]
    assert world.of_kind(RunReported)[-1].report.cost_usd == 0.25


async def test_another_bot_and_another_process_of_the_bot_add_nothing_to_a_run_that_was_given_up(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await world.update(bot, run)
    await world.change_run(run, state=int(TaskState.BOT_DIED))
    again = await world.a_connected_bot(process="p/2")
    other = await world.a_connected_bot("bot2")

    answers = [
        await world.update(one, run, output=encoded(b"x"), output_chunk_start=0, exit_code=0, duration=1)
        for one in (again, other)
    ]

    assert [(one.json()["ok"], one.json()["must_stop"]) for one in answers] == [(False, True)] * 2
    assert await world.output(run) == {}


async def test_another_bot_cannot_begin_a_run_and_lock_its_bot_out(world):
    bot = await world.a_connected_bot()
    other = await world.a_connected_bot("bot2", process="p/2")
    run = await world.a_run("bot1")

    foreign = await world.update(bot, run, session=other.session)
    own = [await world.update(bot, run), await world.update(bot, run, exit_code=0, duration=1)]

    assert (foreign.json()["ok"], foreign.json()["must_stop"]) == (False, True)
    assert [(one.json()["ok"], one.json()["must_stop"]) for one in own] == [(True, False)] * 2
    assert await world.report_kinds() == ["confirmed", "finished"]


async def test_a_run_that_its_bot_failed_is_over(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await world.post("task_error", {"id": "bot1", "task_id": str(run), "message": "x"})
    await world.change_run(run, state=int(TaskState.BOT_DIED))

    answer = await world.update(bot, run, output=encoded(b"x"), output_chunk_start=0)

    assert (answer.json()["ok"], answer.json()["must_stop"]) == (False, True)
    assert await world.output(run) == {}


async def test_a_run_that_its_bot_failed_cost_what_the_bot_said_last(world):
    bot = await world.a_connected_bot()
    run, silent = await world.a_run("bot1"), await world.a_run("bot1")
    await world.update(bot, run, cost_usd=0.25)
    await world.update(bot, run, cost_usd=0.5)

    for one in (run, silent):
        await world.post("task_error", {"id": "bot1", "task_id": str(one), "message": "x"})

    costs = {(row.task_id, row.kind): row.cost_usd for row in await world.rows(tables.run_report)}
    assert costs == {(run.task_id, "confirmed"): 0.25, (run.task_id, "failed"): 0.5, (silent.task_id, "failed"): None}
    failed = await world.hint(RunReported, number=1)
    assert (failed.report.kind, failed.report.cost_usd) == ("failed", 0.5)


async def test_an_update_of_a_run_that_does_not_exist_is_told_to_stop(world):
    bot = await world.a_connected_bot()

    answer = await world.update(bot, a_run_id())

    assert answer.json()["must_stop"]


async def test_an_error_of_a_run_that_is_not_the_bots_is_stored_nowhere(world):
    run = await world.a_run("bot2")

    response = await world.post("task_error", {"id": "bot1", "task_id": str(run), "message": "x"})

    assert (response.status_code, response.json()) == (200, {})
    assert await world.rows(tables.run_report) == []


async def test_a_chunk_that_comes_twice_is_stored_once(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    for _ in range(2):
        answer = await world.update(bot, run, output=encoded(b"abc"), output_chunk_start=0)
        assert answer.json() == {"ok": True, "must_stop": False, "session": bot.session}
    await world.update(bot, run, output=encoded(b"xyz"), output_chunk_start=0)

    assert await world.output(run) == {0: b"abc"}


async def test_a_chunk_that_comes_again_with_more_behind_it_loses_nothing(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    for content in (b"abc", b"abcdef", b"ab"):
        answer = await world.update(bot, run, output=encoded(content), output_chunk_start=0)
        assert answer.json()["ok"]

    assert await world.output(run) == {0: b"abcdef"}


async def test_a_hole_in_the_output_is_stored_as_a_hole(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    await world.update(bot, run, output=encoded(b"late"), output_chunk_start=1000)
    await world.update(bot, run, output=encoded(b"early"), output_chunk_start=0)

    assert await world.output(run) == {0: b"early", 1000: b"late"}


async def test_binary_output_is_stored_as_it_is(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    content = bytes(range(256))

    await world.update(bot, run, output=encoded(content), output_chunk_start=0)

    assert await world.output(run) == {0: content}


async def test_output_beyond_the_limit_is_dropped(world, monkeypatch):
    monkeypatch.setattr(report_module, "MAX_OUTPUT_BYTES", 10)
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    for start in (0, 8, 16):
        answer = await world.update(bot, run, output=encoded(b"12345678"), output_chunk_start=start)
        assert answer.json() == {"ok": True, "must_stop": False, "session": bot.session}

    assert await world.output(run) == {0: b"12345678", 8: b"12"}


async def test_an_offset_without_output_is_a_life_sign(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    answers = [
        await world.update(bot, run, output_chunk_start=7),
        await world.update(bot, run, output="", output_chunk_start=7),
    ]

    assert all(answer.json()["ok"] for answer in answers)
    assert await world.output(run) == {}


async def test_the_first_end_wins(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await world.update(bot, run, exit_code=0, duration=1)

    failed = await world.post("task_error", {"id": "bot1", "task_id": str(run), "message": "x"})
    other = await world.update(bot, run, exit_code=2, duration=1)

    assert failed.json() == {}
    assert other.json()["must_stop"]
    assert await world.report_kinds() == ["finished"]


async def test_a_repeated_end_is_told_again_since_the_first_word_may_be_lost(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    for _ in range(2):
        answer = await world.update(bot, run, exit_code=0, duration=1)
        assert answer.json() == {"ok": True, "must_stop": False, "session": bot.session}

    await world.hint(RunReported, number=1)
    assert await world.report_kinds() == ["finished"]


async def test_a_gateway_that_restarted_confirms_again_without_harm(sqlite_folder):
    async with a_world(sqlite_folder) as world:
        bot = await world.a_connected_bot()
        run = await world.a_run("bot1")
        await world.update(bot, run)

    async with a_world(sqlite_folder) as world:
        answer = await world.update(bot, run)

        assert answer.json() == {"ok": True, "must_stop": False, "session": bot.session}
        assert await world.report_kinds() == ["confirmed"]


async def test_an_unsigned_exit_code_of_windows_is_stored_signed(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    await world.update(bot, run, exit_code=0xC000013A, duration=1)

    [row] = await world.rows(tables.run_report)
    assert row.exit_code == 0xC000013A - 2**32


async def test_of_many_updates_in_one_commit_each_gets_its_own_answer(world):
    bots = [await world.a_connected_bot(f"bot{number}") for number in range(20)]
    runs = [await world.a_run(bot.bot_id if number % 2 else "other") for number, bot in enumerate(bots)]

    answers = await asyncio.gather(
        *(
            world.update(bot, run, output=encoded(bot.bot_id.encode()), output_chunk_start=0)
            for bot, run in zip(bots, runs, strict=True)
        )
    )

    assert [answer.json()["must_stop"] for answer in answers] == [number % 2 == 0 for number in range(20)]
    for number, (bot, run) in enumerate(zip(bots, runs, strict=True)):
        assert await world.output(run) == ({0: bot.bot_id.encode()} if number % 2 else {})


async def test_a_database_that_is_away_is_transient_for_bots(world, monkeypatch):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    monkeypatch.setattr("swarming_common.database.group_commit.RETRY_SECONDS", ())

    async def away(*_, **__):
        raise DatabaseAway

    for name in ("read", "write"):
        monkeypatch.setattr(world.ports.database, name, away)
    answers = [
        await world.update(bot, run),
        await world.post("poll", bot.poll_body()),
        await world.post("handshake", bot.word()),
        await world.post("event", bot.word(event="bot_log", message="x")),
        await world.post("task_error", {"id": "bot1", "task_id": str(run), "message": "x"}),
    ]
    monkeypatch.undo()

    assert [answer.status_code for answer in answers] == [503] * 5
    assert all(answer.json()["error"] for answer in answers)


async def test_a_body_over_the_limit_is_refused(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(max_output_chunk_bytes=10, max_poll_body_bytes=100)) as world:
        bot = Bot("bot1")
        run = await world.a_run("bot1")

        chunk = await world.update(bot, run, output=encoded(b"12345678901"), output_chunk_start=0)
        body = await world.update(bot, run, output="A" * 700_000, output_chunk_start=0)
        poll = await world.post("poll", {"dimensions": {"id": ["x" * 1000]}})

    assert (chunk.status_code, chunk.json()) == (400, {"error": "output: expected at most 10 bytes"})
    assert (body.status_code, body.json()["error"][:6]) == (413, "body: ")
    assert poll.status_code == 413
