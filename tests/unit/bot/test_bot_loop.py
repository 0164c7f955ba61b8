"""What a bot does between runs."""

from __future__ import annotations

import pytest

from swarming_bot.errors import BotError
from tests.unit.bot.scripted_server import DROP, PATIENCE_SECONDS


def test_a_bot_opens_a_session_and_says_in_each_poll_who_it_is(server, start_bots):
    server.handshake = {
        "bot_config_name": "bot_config.py",
        "bot_config_rev": "7",
        "bot_group_cfg": {"dimensions": {"pool": ["forced"]}},
        "session": "sess-9",
    }

    start_bots(zone=["here"])
    handshake = server.wait_for_call("handshake")
    poll = server.wait_for_call("poll")

    assert set(handshake.body) == {"dimensions", "session_id", "state", "version"}
    assert handshake.body["dimensions"]["id"] == ["bot1"]
    assert handshake.body["dimensions"]["pool"] == ["default"]
    assert handshake.headers["X-Luci-Swarming-Bot-ID"] == "bot1"
    assert handshake.headers["User-Agent"].startswith("swarming_bot/1.0.0@")
    assert set(poll.body) == {"dimensions", "request_uuid", "session", "state", "version"}
    assert poll.body["session"] == "sess-9"
    assert poll.body["dimensions"]["pool"] == ["forced"]
    assert poll.body["dimensions"]["zone"] == ["here"]
    assert poll.body["dimensions"]["bot_config"] == ["bot_config.py"]
    assert poll.body["state"]["bot_config"] == {"name": "bot_config.py", "revision": "7"}
    assert {"running_time", "sleep_streak"} <= set(poll.body["state"])


def test_a_name_that_is_no_utf_8_is_told_without_the_bytes_that_no_server_could_take(server, start_bots):
    start_bots(hooks="import os\n\ndef get_state(bot): return {'mounts': {os.fsdecode(b'/mnt/\\xff\\xc3\\xa9'): 1}}\n")

    poll = server.wait_for_call("poll")

    assert poll.body["state"]["mounts"] == {"/mnt/?é": 1}


def test_the_newest_session_is_the_one_that_counts(server, start_bots):
    server.command({"cmd": "sleep", "duration": 0, "session": "sess-2"})

    start_bots()
    second = server.wait_for_call("poll", 2)

    assert second.body["session"] == "sess-2"


def test_a_poll_that_failed_is_repeated_with_the_same_uuid_and_the_next_has_another(server, start_bots):
    server.command(
        DROP,
        {"error": "confused"},
        {"cmd": "sleep", "duration": 0},
    )

    start_bots()
    server.wait_for_call("poll", 4)

    first, second, third, fourth = (heard.body["request_uuid"] for heard in server.calls("poll"))
    assert first == second == third
    assert fourth != third


def test_a_run_whose_answer_was_lost_is_taken_from_the_repeated_poll(server, start_bots):
    server.command(DROP)
    server.run("echo", "found")

    start_bots()
    server.wait_for_final()

    first, second = server.calls("poll")[:2]
    assert first.body["request_uuid"] == second.body["request_uuid"]
    assert server.output() == b"found\n"


def test_sleeps_are_counted_until_there_is_something_to_do(server, start_bots):
    server.command({"cmd": "sleep", "duration": 0}, {"cmd": "sleep", "duration": 0.01})
    server.run("true")

    start_bots()
    server.wait_for_call("poll", 4)

    assert [heard.body["state"]["sleep_streak"] for heard in server.calls("poll")] == [0, 1, 2, 0]


def test_a_held_poll_is_ended_by_a_request_to_stop(server, start_bots):
    fleet = start_bots()
    server.wait_for_call("poll")

    fleet.stop()
    ended = fleet.join(PATIENCE_SECONDS)

    assert ended
    assert server.wait_for_call("event").body["event"] == "bot_shutdown"


def test_a_terminated_bot_reports_that_and_ends(server, start_bots):
    server.command({"cmd": "terminate", "task_id": "7c22376fb00cb611"})

    fleet = start_bots()
    ended = fleet.join(PATIENCE_SECONDS)

    assert ended
    update = server.wait_for_call("task_update").body
    assert update == {
        "duration": 0,
        "exit_code": 0,
        "id": "bot1",
        "session": "sess-1",
        "task_id": "7c22376fb00cb611",
    }
    event = server.wait_for_call("event").body
    assert event["event"] == "bot_shutdown"
    assert set(event) == {"dimensions", "event", "message", "session", "state", "version"}


def test_a_restart_opens_a_new_session(server, start_bots):
    server.command({"cmd": "bot_restart", "message": "new settings"})

    start_bots()
    server.wait_for_call("handshake", 2)
    server.wait_for_call("poll", 2)

    assert [heard.call for heard in server.heard[:4]] == ["handshake", "poll", "handshake", "poll"]


def test_a_refused_poll_leads_to_a_new_session(server, start_bots):
    server.command((403, {"error": "unknown session"}))

    start_bots()
    server.wait_for_call("poll", 2)

    first, second = server.calls("poll")[:2]
    assert len(server.calls("handshake")) == 2
    assert first.body["request_uuid"] == second.body["request_uuid"]


def test_a_handshake_is_repeated_until_the_server_answers(server, start_bots):
    answers = [(503, {"error": "starting"}), DROP]
    server.answer = lambda heard: answers.pop(0) if heard.call == "handshake" and answers else None

    start_bots()
    server.wait_for_call("poll")

    assert len(server.calls("handshake")) == 3


@pytest.mark.parametrize(
    "reply",
    [
        {"cmd": "dance"},
        {"cmd": "run"},
        {"cmd": "run", "manifest": {"task_id": "../../etc"}},
        {"cmd": "sleep"},
        {"cmd": "sleep", "duration": -1},
        {"cmd": "terminate"},
        {"cmd": 7},
    ],
)
def test_a_reply_that_lacks_what_its_command_needs_is_a_failed_poll(server, start_bots, reply):
    server.command(reply)

    start_bots()
    server.wait_for_call("poll", 2)

    first, second = server.calls("poll")[:2]
    assert first.body["request_uuid"] == second.body["request_uuid"]


def test_a_surprise_is_reported_and_does_not_end_the_bot(server, start_bots, monkeypatch):
    def surprise(runs, raw):
        raise RuntimeError("nobody expected this")

    monkeypatch.setattr("swarming_bot.run.Runs.carry_out", surprise)
    server.run("true")

    start_bots()
    event = server.wait_for_call("event")
    server.wait_for_call("poll", 2)

    assert event.body["event"] == "bot_error"
    assert "nobody expected this" in event.body["message"]


def test_a_work_folder_belongs_to_one_bot_at_a_time(server, start_bots, monkeypatch):
    monkeypatch.setattr("swarming_bot.work_folder.LOCK_PATIENCE_SECONDS", 0.05)
    start_bots()

    with pytest.raises(BotError, match="another bot is using"):
        start_bots()


def test_a_bot_that_runs_from_a_package_says_that_it_does_not_update_and_goes_on(server, start_bots, monkeypatch):
    monkeypatch.setattr("swarming_bot.life.UNSUPPORTED_PAUSE_SECONDS", 0.05)
    start_bots()

    server.command({"cmd": "update", "version": "0" * 64})

    first, _ = (server.wait_for_call("poll", count) for count in (1, 2))
    assert first.body["state"]["bot_code"] == {"updates": False}
    assert not server.calls("event")


@pytest.mark.parametrize("version", [None, 7, "", "../other", "x" * 129])
def test_an_update_to_no_version_is_a_failed_poll(server, start_bots, version):
    start_bots()

    server.command({"cmd": "update", "version": version}, {"cmd": "sleep", "duration": 0})

    first, second = (server.wait_for_call("poll", count) for count in (1, 2))
    assert second.body["request_uuid"] == first.body["request_uuid"]
