"""Inputs of a run that do not come, or not soon."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from swarming_bot import inputs
from swarming_bot.errors import InputsNotFetched, Interrupted
from tests.unit.bot.file_servers import SlowServer, fetch, zipped
from tests.unit.bot.scripted_server import PATIENCE_SECONDS


@pytest.fixture
def slow() -> Iterator[SlowServer]:
    one = SlowServer()
    yield one
    one.close()


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(inputs, "FIRST_PAUSE_SECONDS", 0.01)


def test_a_server_that_cannot_be_reached_is_not_the_tasks_fault(files, task_folder):
    files.files["/in.zip"] = [503] * 5

    with pytest.raises(InputsNotFetched, match="cannot fetch") as raised:
        fetch(f"{files.url}/in.zip", task_folder)

    assert raised.value.missing == {"unreachable_data": [{"url": f"{files.url}/in.zip"}]}


def test_a_run_that_is_not_wanted_any_more_stops_fetching(files, task_folder):
    files.files["/in.zip"] = zipped({"a": "x"})

    with pytest.raises(Interrupted):
        fetch(f"{files.url}/in.zip", task_folder, goes_on=lambda: False)


@pytest.mark.parametrize("sends", [b"", b"x"])
def test_a_run_that_is_not_wanted_any_more_does_not_wait_for_a_slow_server(slow, task_folder, sends):
    slow.sends = sends
    started = time.monotonic()

    with pytest.raises(Interrupted):
        fetch(slow.url, task_folder, goes_on=lambda: not slow.heard.is_set())

    assert time.monotonic() - started < PATIENCE_SECONDS  # the server would go on for ever


def test_a_bot_that_is_asked_to_stop_does_not_wait_for_a_slow_server(server, start_bots, slow):
    server.run("true", data=[[slow.url, "in.zip"]])
    fleet = start_bots()
    assert slow.heard.wait(PATIENCE_SECONDS)

    fleet.stop()

    assert fleet.join(PATIENCE_SECONDS)
    assert server.wait_for_call("task_error").body["message"] == "Was terminated before completion"


def test_inputs_that_take_longer_than_the_task_may_are_given_up(slow, task_folder):
    slow.sends = b"x"

    with pytest.raises(InputsNotFetched, match="as long as the task itself may"):
        fetch(slow.url, task_folder, until=time.monotonic() + 0.2)


def test_a_task_whose_inputs_take_as_long_as_it_may_itself_ends(server, start_bots, slow):
    slow.sends = b"x"
    server.run("true", data=[[slow.url, "in.zip"]], hard_timeout=0.3)

    start_bots()
    error = server.wait_for_call("task_error")

    assert error.body["client_error"]["unreachable_data"] == [{"url": slow.url}]


def test_inputs_that_cannot_be_reached_are_told_apart_from_failures_of_the_bot(server, start_bots, files):
    files.files["/in.zip"] = [503] * 5
    server.run("true", data=[[f"{files.url}/in.zip", "in.zip"]])

    start_bots()
    error = server.wait_for_call("task_error").body

    assert error["client_error"]["unreachable_data"] == [{"url": f"{files.url}/in.zip"}]
    assert "HTTP Error 503" in error["message"]
    assert error["message"].encode() in server.output()


def test_a_server_of_an_older_release_hears_of_the_failure_all_the_same(server, start_bots, files):
    files.files["/in.zip"] = [503] * 5
    server.answer = lambda heard: (
        (400, {"error": "unknown field"}) if "unreachable_data" in heard.body.get("client_error", {}) else None
    )
    server.run("true", data=[[f"{files.url}/in.zip", "in.zip"]])

    start_bots()
    error = server.wait_for_call("task_error", 2).body

    assert error["client_error"] == {"missing_cas": [], "missing_cipd": []}


def test_a_task_canceled_while_its_inputs_are_fetched_is_never_started(
    server, start_bots, files, monkeypatch, tmp_path
):
    monkeypatch.setattr("swarming_bot.heartbeats.PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(inputs, "FIRST_PAUSE_SECONDS", 5)
    files.files["/in.zip"] = [503] * 5
    updates = []

    def answer(heard):
        if heard.call == "task_update":
            updates.append(heard)
            return {"ok": True, "must_stop": len(updates) > 1}
        return None

    server.answer = answer
    server.run("touch", str(tmp_path / "started"), data=[[f"{files.url}/in.zip", "in.zip"]])

    start_bots()
    server.wait_for(lambda heard: heard.body.get("canceled") is True)
    server.wait_for_call("poll", 2)

    assert not (tmp_path / "started").exists()
