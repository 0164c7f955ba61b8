"""A run's last update asks for the next run: then no poll is needed between the two."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from swarming_bot.server import Server
from swarming_bot.tuning import Tuning
from tests.unit.bot.scripted_server import DROP, PATIENCE_SECONDS, Heard, ScriptedServer, a_manifest

TAKEN = {"must_stop": False, "ok": True, "session": "sess-1"}
SECOND, THIRD = "7c2236638dbfee11", "7c2236638dbfef11"


@pytest.fixture(autouse=True)
def announced(server: ScriptedServer) -> None:
    """The server says that it can be asked so."""
    server.handshake["next_poll"] = True


def asks(heard: Heard) -> bool:
    return "next_poll" in heard.body


def follow_with(server: ScriptedServer, *answers: Any) -> None:
    """Answer the next updates that ask with these replies, or as given where it is no reply to a poll."""
    waiting = list(answers)

    def answer(heard: Heard) -> Any:
        if not asks(heard) or not waiting:
            return None
        given = waiting.pop(0)
        return given if given is DROP or isinstance(given, tuple) else {**TAKEN, "next": given}

    server.answer = answer


def a_run(run_id: str, *command: str) -> dict[str, Any]:
    return {"cmd": "run", "manifest": a_manifest(*command, task_id=run_id)}


def finals(server: ScriptedServer) -> list[Heard]:
    return [heard for heard in server.updates() if heard.is_final]


def calls_until_the_second_poll(server: ScriptedServer) -> list[str]:
    server.wait_for_call("poll", 2)
    calls = [heard.call for heard in server.heard]
    return calls[: calls.index("poll", calls.index("poll") + 1) + 1]


def test_runs_follow_one_another_without_a_poll(server, start_bots):
    server.run("true")
    follow_with(server, a_run(SECOND, "true"), a_run(THIRD, "sh", "-c", "exit 3"))

    start_bots()
    calls = calls_until_the_second_poll(server)

    assert calls == ["handshake", "poll", *["task_update"] * 6, "poll"]
    assert [heard.body["task_id"] for heard in finals(server)][1:] == [SECOND, THIRD]
    assert [heard.body["exit_code"] for heard in finals(server)] == [0, 0, 3]


def test_the_update_says_just_what_a_poll_would_say(server, start_bots):
    server.run("true")

    start_bots(zone=["here"])
    poll = server.wait_for_call("poll", 2).body
    [asked] = [heard.body["next_poll"] for heard in server.updates() if asks(heard)]

    changing = {"running_time", "uptime", "disks"}
    assert {**asked, "state": None} == {**poll, "state": None}
    assert asked["state"].keys() == poll["state"].keys()
    assert all(asked["state"][key] == poll["state"][key] for key in poll["state"].keys() - changing)


def test_only_the_last_update_of_a_run_asks(server, start_bots):
    server.run("true")

    start_bots()
    server.wait_for_call("poll", 2)

    assert [asks(heard) for heard in server.updates()] == [False, True]


def test_each_question_that_was_answered_is_followed_by_one_with_another_uuid(server, start_bots):
    server.run("true")
    follow_with(server, a_run(SECOND, "true"))

    start_bots()
    last = server.wait_for_call("poll", 2).body["request_uuid"]

    first = server.calls("poll")[0].body["request_uuid"]
    second, third = (heard.body["next_poll"]["request_uuid"] for heard in finals(server))
    assert len({first, second, third}) == 3
    assert last == third  # it was not answered yet


def test_a_run_whose_answer_was_lost_is_taken_from_the_repeated_update(server, start_bots):
    server.run("true")
    follow_with(server, DROP, (503, {"error": "a replica went down"}), a_run(SECOND, "echo", "found"))

    start_bots()
    server.wait_for(lambda heard: heard.is_final and heard.body["task_id"] == SECOND)
    calls = calls_until_the_second_poll(server)

    lost, again, answered = finals(server)[:3]
    assert lost.body == again.body == answered.body
    assert calls[:5] == ["handshake", "poll", "task_update", "task_update", "task_update"]
    assert calls.count("task_update") == 6  # one and three of the first run, one and one of the second


def test_a_bot_is_terminated_by_the_answer_to_an_update_as_by_a_polls(server, start_bots):
    server.run("true")
    follow_with(server, {"cmd": "terminate", "task_id": "7c22376fb00cb611"})

    fleet = start_bots()

    assert fleet.join(PATIENCE_SECONDS)
    assert server.updates()[-1].body["task_id"] == "7c22376fb00cb611"


@pytest.mark.parametrize("reply", [{"cmd": "dance"}, {"cmd": "run"}, {"cmd": "run", "manifest": {"task_id": "../etc"}}])
def test_a_reply_that_lacks_what_its_command_needs_is_a_failed_poll(server, start_bots, reply):
    server.run("true")
    follow_with(server, reply)

    start_bots()
    poll = server.wait_for_call("poll", 2)

    assert poll.body["request_uuid"] == finals(server)[0].body["next_poll"]["request_uuid"]
    assert not server.calls("task_error")


@pytest.mark.parametrize("reply", [None, 7, [], {}, {"error": "confused"}, {"cmd": 7}])
def test_what_is_no_reply_at_all_is_followed_by_a_poll(server, start_bots, reply):
    server.run("true")
    follow_with(server, reply)

    start_bots()

    assert calls_until_the_second_poll(server) == ["handshake", "poll", *["task_update"] * 2, "poll"]


def test_a_server_that_did_not_say_that_it_can_is_not_asked(server, start_bots):
    del server.handshake["next_poll"]
    server.run("true")

    start_bots()
    server.wait_for_call("poll", 2)

    assert not any(map(asks, server.updates()))


@pytest.mark.parametrize(
    "hooks",
    [
        "def on_after_task(bot): pass",
        "def on_before_poll(bot): pass",
        "def on_after_poll(bot, cmd): pass",
        "def get_dimensions(bot): return {}",
        "def get_state(bot): return {}",
        "def on_before_task(bot): bot.post_event('bot_log', 'to be told before the poll')",
        "def on_before_task(bot): bot.bot_restart('a restart comes before the poll')",
        "def on_before_task(bot): bot.host_reboot('a reboot comes before the poll')",
        "def on_before_task(bot): raise RuntimeError('it is to be tried again')",
    ],
)
def test_a_bot_whose_hooks_have_something_to_do_first_does_not_ask(server, start_bots, hooks, monkeypatch):
    monkeypatch.setattr("swarming_bot.life.UNSUPPORTED_PAUSE_SECONDS", 0.05)
    server.run("true")

    start_bots(hooks=f"{hooks}\n")
    server.wait_for_call("poll", 2)

    assert not any(map(asks, server.updates()))


def test_a_bot_with_other_hooks_asks(server, start_bots):
    server.run("true")

    start_bots(hooks="def get_settings(bot): return {}\ndef on_before_task(bot): pass\n")
    server.wait_for_call("poll", 2)

    assert any(map(asks, server.updates()))


def test_a_bot_whose_settings_are_due_does_not_ask(server, start_bots, monkeypatch):
    monkeypatch.setattr("swarming_bot.tuned.PERIOD_SECONDS", 0.0)
    server.run("true")

    start_bots()
    server.wait_for_call("poll", 2)

    assert not any(map(asks, server.updates()))


def test_a_bot_whose_time_to_start_over_came_during_the_run_does_not_ask(server, start_bots, monkeypatch, tmp_path):
    due = tmp_path / "due"
    monkeypatch.setattr("swarming_bot.life.restart_after", lambda *_: 0.0 if due.exists() else 3600.0)
    server.run("touch", str(due))

    start_bots(tuning=Tuning(restart_period_secs=3600, lowest_free_disk_mb=0))
    server.wait_for_call("handshake", 2)

    assert len(finals(server)) == 1
    assert not any(map(asks, server.updates()))


def test_a_bot_that_has_caches_to_tidy_does_not_ask(server, start_bots):
    server.run("true", caches=[{"name": "git", "path": "git", "hint": "0"}])

    start_bots()
    server.wait_for_call("poll", 2)

    assert not any(map(asks, server.updates()))


def test_a_server_of_an_older_release_refuses_the_question_and_still_gets_the_report(server, start_bots):
    refusal = (400, {"error": "next_poll: expected no such field"})
    server.run("echo", "done")
    server.run("true", task_id=SECOND)
    follow_with(server, refusal, refusal)

    start_bots()
    server.wait_for_call("poll", 3)

    assert [(heard.body["task_id"][-4:], asks(heard)) for heard in finals(server)] == [
        ("ed11", True),
        ("ed11", False),
        ("ee11", False),  # not asked again before the next handshake
    ]
    assert server.output() == b"done\n"
    assert not server.calls("task_error")


def test_what_is_kept_for_a_server_that_is_away_asks_for_nothing(server, start_bots, monkeypatch):
    monkeypatch.setattr("swarming_bot.report.END_PATIENCE_SECONDS", 0.1)
    server.run("true")
    server.answer = lambda heard: DROP if asks(heard) else None

    start_bots()
    server.wait_for_call("poll", 2)

    assert [asks(heard) for heard in finals(server)][-1] is False
    assert finals(server)[-1].body["exit_code"] == 0


def test_a_bot_that_cannot_describe_itself_does_not_blame_the_run(server, start_bots, monkeypatch):
    describe, calls = Server.describe_poll, count(1)

    def describe_the_first_and_third_time(self: Server, request_uuid: str) -> dict[str, Any]:
        if next(calls) == 2:
            raise RuntimeError("nobody expected this")
        return describe(self, request_uuid)

    monkeypatch.setattr(Server, "describe_poll", describe_the_first_and_third_time)
    server.run("true")

    start_bots()

    assert calls_until_the_second_poll(server) == ["handshake", "poll", *["task_update"] * 2, "poll"]
    assert not any(map(asks, server.updates()))
