"""The exchanges of bot-api.md section 12, between a bot, the gateway, and a shard that the test plays."""

from swarming_botgateway.bot_code.upstream import hooks_for
from swarming_common.database import tables
from swarming_common.hints.scheduler import RunReported, RunsHeard
from swarming_common.model.reports import ReportKind
from swarming_common.model.states import TaskState
from swarming_common.release import server_version
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.unit.botgateway.world import Bot, a_world, encoded, some_properties, some_settings

FINAL = {
    "bot_overhead": 0.9,
    "cache_trim_stats": {"duration": 0.0002},
    "cleanup_stats": {"duration": 0.002},
    "duration": 11.1125416,
    "exit_code": 3,
    "hard_timeout": False,
    "io_timeout": False,
    "isolated_stats": {"download": {}},
    "named_caches_stats": {"install": {"duration": 0.0001}, "uninstall": {"duration": 0.0002}},
}


async def test_a_handshake_opens_a_session_and_the_bot_is_known(world):
    bot = Bot("bot1")

    response = await world.shake_hands(bot)

    assert response.json() == {
        "bot_version": "v1",
        "server_version": server_version(),
        "bot_config_rev": "0",
        "bot_config_name": "bot_config.py",
        "bot_config": hooks_for(bot.state, have_cipd=False),
        "session": bot.session,
    }
    [row] = await world.rows(tables.bot)
    assert (row.bot_id, row.dimensions, row.state) == ("bot1", bot.dimensions, bot.state)
    assert (row.session, row.authenticated_as) == (bot.session, "bot:whitelisted-ip")
    assert row.quarantined is None
    [event] = await world.rows(tables.bot_event)
    assert (event.bot_id, event.event_type) == ("bot1", "bot_connected")


async def test_a_poll_is_held_until_a_run_comes_and_is_answered_with_its_manifest(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    poll, offer = await world.held_poll(bot)

    properties = some_properties(
        command=("python3", "-u", "-c", "…"),
        dimensions=(("id", "bot1"), ("pool", "default")),
        env=(("FOO", "bar"),),
        io_timeout_secs=60,
    )
    world.assign(offer, run, properties=properties)

    answer = await poll
    manifest = answer.pop("manifest")
    assert answer == {"cmd": "run", "session": bot.session}
    assert manifest.pop("bot_ping_tolerance_secs") == 600
    assert manifest == {
        "bot_id": "bot1",
        "bot_authenticated_as": "bot:whitelisted-ip",
        "bot_dimensions": bot.dimensions,
        "caches": [],
        "cas_input_root": None,
        "cipd_input": None,
        "command": ["python3", "-u", "-c", "…"],
        "containment": {},
        "dimensions": {"id": ["bot1"], "pool": ["default"]},
        "env": {"FOO": "bar"},
        "env_prefixes": {},
        "grace_period": 30,
        "hard_timeout": 60,
        "io_timeout": 60,
        "outputs": [],
        "realm": {},
        "relative_cwd": None,
        "resultdb": None,
        "secret_bytes": None,
        "service_accounts": {
            "system": {"service_account": "none"},
            "task": {"service_account": "none"},
        },
        "task_id": str(run),
    }


async def test_the_key_io_timeout_is_there_even_without_one(world):
    bot = await world.a_connected_bot()
    poll, offer = await world.held_poll(bot)

    world.assign(offer, await world.a_run("bot1"))

    assert (await poll)["manifest"]["io_timeout"] == 0


async def test_a_poll_that_was_held_long_enough_is_answered_sleep_of_zero(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(hold_seconds=0.01)) as world:
        bot = await world.a_connected_bot()

        answer = await world.start_poll(bot)

    assert answer == {"cmd": "sleep", "duration": 0, "quarantined": False, "session": bot.session}


async def test_the_updates_of_a_run_store_output_and_reports(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    logs, middle, end = b"swarming_bot_logs:\n", b"mid\n", b"err\n"

    answers = [
        await world.update(bot, run),
        await world.update(bot, run, output=encoded(logs), output_chunk_start=0),
        await world.update(bot, run, output=encoded(middle), output_chunk_start=19),
        await world.update(bot, run, output=encoded(end), output_chunk_start=23, **FINAL),
    ]

    assert [answer.json() for answer in answers] == [{"ok": True, "must_stop": False, "session": bot.session}] * 4
    assert await world.output(run) == {0: logs, 19: middle, 23: end}
    assert await world.report_kinds() == ["confirmed", "finished"]
    finished = next(row for row in await world.rows(tables.run_report) if row.kind == "finished")
    assert (finished.exit_code, finished.duration, finished.cost_usd) == (3, 11.1125416, 0.1)
    assert finished.details == {
        name: FINAL[name]
        for name in ("bot_overhead", "cache_trim_stats", "cleanup_stats", "isolated_stats", "named_caches_stats")
    }


async def test_reports_are_told_to_the_shard_of_the_run_as_they_were_written(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1", shard=5)

    await world.update(bot, run)
    await world.update(bot, run)
    await world.update(bot, run, **FINAL)

    await world.hint(RunReported, 5, number=1)
    confirmed, finished = world.of_kind(RunReported, 5)
    assert (confirmed.task_id, confirmed.run_number, confirmed.bot_id) == (run.task_id, 1, "bot1")
    assert confirmed.report.kind is ReportKind.CONFIRMED
    assert (finished.report.kind, finished.report.exit_code) == (ReportKind.FINISHED, 3)
    rows = {row.kind: row for row in await world.rows(tables.run_report)}
    assert finished.report.created_ts == rows["finished"].created_ts


async def test_output_is_announced_to_live_followers(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    async with world.ports.cache.follow(f"task:{run.task_id:x}") as follower:
        await world.update(bot, run, output=encoded(b"x"), output_chunk_start=0)
        heard = await follower.wait(DEADLINE_SECONDS)

    assert heard


async def test_a_killed_task_is_told_to_stop_and_its_end_is_taken(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await world.update(bot, run)
    await world.change_run(run, killing=True)

    told = await world.update(bot, run)
    final = await world.update(bot, run, exit_code=-15, duration=14.06)

    assert told.json() == {"ok": True, "must_stop": True, "session": bot.session}
    assert final.json()["ok"]
    assert await world.report_kinds() == ["confirmed", "finished"]


async def test_a_task_stopped_before_its_start_is_reported_canceled(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1", killing=True)

    told = await world.update(bot, run)
    final = await world.update(bot, run, canceled=True)

    assert told.json() == {"ok": True, "must_stop": True, "session": bot.session}
    assert final.json()["ok"]
    assert await world.report_kinds() == ["canceled", "confirmed"]


async def test_a_timeout_is_reported_with_its_flag(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    await world.update(bot, run, exit_code=-15, duration=60.5, hard_timeout=True, io_timeout=False)

    [row] = await world.rows(tables.run_report)
    assert (row.kind, row.exit_code, row.hard_timeout, row.io_timeout) == ("finished", -15, True, False)


async def test_a_termination_is_answered_terminate_and_its_update_needs_no_cost(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    poll, offer = await world.held_poll(bot)

    world.assign(offer, run, properties=some_properties(command=(), dimensions=(("id", "bot1"),)))
    answer = await poll
    body = {"id": "bot1", "task_id": str(run), "session": bot.session, "exit_code": 0, "duration": 0}
    final = await world.post(f"task_update/{run}", body)

    assert answer == {"cmd": "terminate", "task_id": str(run), "session": bot.session}
    assert final.json() == {"ok": True, "must_stop": False, "session": bot.session}
    assert await world.report_kinds() == ["finished"]


async def test_an_internal_failure_is_reported_and_answered_with_exactly_nothing(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    body = {
        "client_error": {"missing_cas": [], "missing_cipd": []},
        "id": "bot1",
        "message": "Was terminated before completion",
        "session": bot.session,
        "task_id": str(run),
    }

    response = await world.post(f"task_error/{run}", body)

    assert (response.status_code, response.content) == (200, b"{}")
    [row] = await world.rows(tables.run_report)
    assert (row.kind, row.message, row.details) == ("failed", "Was terminated before completion", None)
    told = await world.hint(RunReported)
    assert told.report.kind is ReportKind.FAILED


async def test_missing_inputs_are_named_in_the_report(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    package = {"package_name": "infra/x", "path": "p", "version": "1"}
    body = {"id": "bot1", "task_id": str(run), "session": None, "message": "no such package"}

    await world.post(f"task_error/{run}", body | {"client_error": {"missing_cas": [], "missing_cipd": [package]}})

    [row] = await world.rows(tables.run_report)
    assert row.details == {"missing_cipd": [package]}
    assert bot.session


async def test_update_and_error_also_work_without_the_id_in_the_path(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")

    updated = await world.post("task_update", bot.update_body(run))
    failed = await world.post("task_error", {"id": "bot1", "task_id": str(run), "session": None, "message": "x"})

    assert (updated.json()["ok"], failed.json()) == (True, {})
    assert await world.report_kinds() == ["confirmed", "failed"]


async def test_a_shutdown_is_recorded_and_ends_the_bots_poll(world):
    bot = await world.a_connected_bot()
    poll, _ = await world.held_poll(bot)

    response = await world.post("event", bot.word(session=bot.session, event="bot_shutdown", message="bye"))

    assert response.json() == {}
    assert (await poll)["cmd"] == "sleep"
    event = next(row for row in await world.rows(tables.bot_event) if row.event_type == "bot_shutdown")
    assert (event.bot_id, event.message) == ("bot1", "bye")


async def test_the_server_answers_pings_in_both_places(world):
    answers = [await world.http.get(path) for path in ("/swarming/api/v1/bot/server_ping", "/server_ping")]

    assert all(answer.status_code == 200 and answer.content for answer in answers)


async def test_shards_are_told_packed_which_runs_were_heard(sqlite_folder):
    async with a_world(sqlite_folder, some_settings(heard_seconds=0.05)) as world:
        bot = await world.a_connected_bot()
        run = await world.a_run("bot1")

        await world.update(bot, run, cost_usd=0.25)
        await world.hint(RunsHeard)
        for cost_usd in (0.5, 0.75):
            await world.update(bot, run, cost_usd=cost_usd)

        heard = await world.hint(RunsHeard, number=1)
    assert heard.runs == ((run.task_id, 1),)
    assert heard.costs_usd in [(0.5,), (0.75,)]  # of the newest update that came in time


async def test_what_was_seen_of_bots_is_written_packed(sqlite_folder):
    async with a_world(sqlite_folder, some_settings()) as world:
        bot = await world.a_connected_bot()
        [before] = await world.rows(tables.bot)
        bot.state = {**bot.state, "running_time": 2}
        await world.held_poll(bot)
        [meanwhile] = await world.rows(tables.bot)

    assert meanwhile == before
    async with a_world(sqlite_folder) as world:
        [after] = await world.rows(tables.bot)
        assert after.last_seen_ts > before.last_seen_ts
        assert after.state["running_time"] == 2


async def test_changed_dimensions_are_written_before_the_bot_is_offered(world):
    bot = await world.a_connected_bot()
    bot.dimensions = {**bot.dimensions, "os": ["Mac"]}

    _, offer = await world.held_poll(bot)

    [row] = await world.rows(tables.bot)
    assert row.dimensions["os"] == ["Mac"]
    assert offer.dimensions["os"] == ("Mac",)


async def test_a_finished_task_takes_its_repeated_end(world):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    await world.update(bot, run, exit_code=0, duration=1.5)
    await world.change_run(run, state=int(TaskState.COMPLETED))

    again = await world.update(bot, run, exit_code=0, duration=1.5)
    other = await world.update(bot, run, exit_code=1, duration=1.5)

    assert again.json() == {"ok": True, "must_stop": False, "session": bot.session}
    assert (other.json()["ok"], other.json()["must_stop"]) == (False, True)
    assert await world.report_kinds() == ["finished"]
