"""What a bot does with a run while its server cannot be reached."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest

from swarming_bot.boot_clock import boot_seconds
from swarming_bot.output import LARGEST_CHUNK_BYTES, Output
from swarming_bot.undelivered import Undelivered
from tests.unit.bot.scripted_server import DROP, PATIENCE_SECONDS, RUN_ID, Heard, ScriptedServer
from tests.unit.bot.test_bot_run import ends


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr("swarming_bot.report.END_PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr("swarming_bot.undelivered.TRY_SECONDS", 0.1)
    monkeypatch.setattr("swarming_bot.calls.STOP_PATIENCE_SECONDS", 0.2)


@pytest.fixture
def away(server: ScriptedServer) -> threading.Event:
    """Set it, and the server hears and says nothing more."""
    is_away = threading.Event()
    server.answer = lambda heard: DROP if is_away.is_set() else None
    return is_away


def kept(tmp_path: Path) -> Path:
    return tmp_path / "work" / "bot1" / "undelivered" / "report.json"


def wait_until(condition) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_task_outlives_a_silence_within_the_tolerance_and_its_result_is_delivered(server, start_bots, away, tmp_path):
    server.run("sh", "-c", f"echo one; while ! test -e {tmp_path}/go; do sleep 0.01; done; echo two; exit 5")
    start_bots()
    server.wait_for(lambda heard: heard.output == b"one\n")
    away.set()
    (tmp_path / "go").touch()
    wait_until(kept(tmp_path).exists)

    away.clear()
    final = server.wait_for_final()
    server.wait_for_call("poll", 2)

    assert final.body["exit_code"] == 5
    assert server.output() == b"one\ntwo\n"
    assert not kept(tmp_path).parent.exists()
    assert len(server.calls("handshake")) == 1


def test_a_task_is_stopped_when_the_silence_outlasts_the_tolerance(server, start_bots, away):
    script = "trap 'echo last words; exit 0' TERM; echo $$; while :; do sleep 0.01; done"
    server.run("sh", "-c", script, bot_ping_tolerance_secs=0.5)
    start_bots()
    first = server.wait_for(lambda heard: heard.output != b"")
    away.set()

    assert ends(int(first.output))
    away.clear()
    again = server.wait_for_call("handshake", 2)

    assert is_another_process(again, server.calls("handshake")[0])
    assert server.output().endswith(b"last words\n")
    assert not any(heard.is_final for heard in server.heard)  # it did not end by itself: another bot is to try


class Suspended:
    """A clock of a machine that can be suspended."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seconds = 0.0
        for module in ("calls", "report", "run"):
            monkeypatch.setattr(f"swarming_bot.{module}.boot_seconds", lambda: boot_seconds() + self.seconds)


def test_a_machine_that_was_suspended_was_silent_all_that_time(server, start_bots, away, monkeypatch):
    clock = Suspended(monkeypatch)

    def answer(heard: Heard):
        if away.is_set():
            return DROP
        if heard.output:  # the question was heard before, and the answer only afterwards
            clock.seconds = 2000
            away.set()
        return None

    server.answer = answer
    server.run("sh", "-c", "echo $$; exec sleep 60", bot_ping_tolerance_secs=1000)
    start_bots()
    first = server.wait_for(lambda heard: heard.output != b"")

    assert ends(int(first.output))
    away.clear()


def test_a_run_whose_tolerance_is_over_before_its_process_starts_is_given_up(server, start_bots, tmp_path, monkeypatch):
    clock = Suspended(monkeypatch)

    def answer(heard: Heard):
        if heard.call == "task_update":
            clock.seconds += 2000

    server.answer = answer
    server.run("touch", str(tmp_path / "started"), bot_ping_tolerance_secs=1000)

    start_bots()
    server.wait_for_call("handshake", 2)

    assert not (tmp_path / "started").exists()


def test_a_run_that_was_never_confirmed_is_lost_to_the_server_too(server, start_bots):
    server.answer = lambda heard: DROP if heard.call == "task_update" else None  # confirmed there, for all we know
    server.run("true", bot_ping_tolerance_secs=0.3)

    start_bots()
    again = server.wait_for_call("handshake", 2)

    assert is_another_process(again, server.calls("handshake")[0])


def test_a_handshake_whose_answer_was_lost_is_said_again_in_the_same_words(server, start_bots):
    server.answer = lambda heard: (
        DROP
        if heard.call == "task_update" or (heard.call == "handshake" and len(server.calls("handshake")) == 2)
        else None
    )
    server.run("true", bot_ping_tolerance_secs=0.3)

    start_bots()
    server.wait_for_call("handshake", 3)

    first, lost, again = (heard.body["session_id"] for heard in server.calls("handshake"))
    assert first != lost
    assert lost == again


def is_another_process(heard: Heard, than: Heard) -> bool:
    """Whether the server takes the runs of one for lost when the other shakes hands."""
    return heard.body["session_id"] != than.body["session_id"]


def test_what_a_stopped_bot_could_not_tell_it_tells_before_its_next_handshake(server, start_bots, away, tmp_path):
    server.run("sh", "-c", f"while ! test -e {tmp_path}/go; do sleep 0.01; done; echo late; exit 3")
    first = start_bots()
    server.wait_for_call("task_update")
    away.set()
    (tmp_path / "go").touch()
    wait_until(kept(tmp_path).exists)
    first.stop()
    assert first.join(PATIENCE_SECONDS)
    heard_before = len(server.heard)
    away.clear()

    start_bots()
    server.wait_for_call("poll", 2)

    after = server.heard[heard_before:]
    assert [heard.call for heard in after] == ["task_update", "handshake", "poll"]
    assert after[0].body["exit_code"] == 3
    assert after[0].body["session"] == "sess-1"
    assert after[0].output == b"late\n"


def test_a_run_that_the_bots_stop_ended_is_reported_after_the_restart_too(server, start_bots, away, tmp_path):
    server.run("sh", "-c", "echo up; exec sleep 60")
    first = start_bots()
    server.wait_for(lambda heard: heard.output == b"up\n")
    away.set()
    first.stop()
    assert first.join(PATIENCE_SECONDS)
    away.clear()

    start_bots()
    error = server.wait_for_call("task_error")
    server.wait_for_call("handshake", 2)

    assert error.body["message"] == "Was terminated before completion"


def test_what_a_task_lacked_is_told_after_the_restart_too(server, start_bots, away, tmp_path):
    server.answer = lambda heard: DROP if heard.call == "task_update" and away.is_set() else None
    away.set()
    server.run("true", cas_input_root={"cas_instance": "i", "digest": {"hash": "ab", "size_bytes": 7}})
    first = start_bots()
    wait_until(kept(tmp_path).exists)
    first.stop()
    assert first.join(PATIENCE_SECONDS)
    away.clear()

    start_bots()
    error = server.wait_for_call("task_error")

    assert error.body["client_error"]["missing_cas"] == [{"digest": "ab/7", "instance": "i"}]


def test_a_report_that_is_refused_is_dropped_and_the_bot_goes_on(server, start_bots, tmp_path):
    def answer(heard: Heard):
        if heard.is_final:
            return DROP if not kept(tmp_path).exists() else (400, {"error": "no such run"})
        return None

    server.answer = answer
    server.run("true")

    start_bots()
    server.wait_for_call("poll", 2)

    assert not kept(tmp_path).parent.exists()


def test_a_report_that_the_server_fails_at_is_dropped_after_a_while(server, start_bots, tmp_path, monkeypatch):
    monkeypatch.setattr("swarming_bot.undelivered.LONGEST_FAILING_SECONDS", 0.1)
    server.answer = lambda heard: (500, {"error": "oops"}) if heard.is_final else None
    server.run("true")

    start_bots()
    server.wait_for_call("poll", 2)

    assert not kept(tmp_path).parent.exists()


def test_much_output_is_kept_and_delivered_in_chunks_that_join_up(server, start_bots, away, tmp_path):
    size = 2 * LARGEST_CHUNK_BYTES + 17
    server.run("sh", "-c", f"while ! test -e {tmp_path}/go; do sleep 0.01; done; head -c {size} /dev/zero | tr '\\0' x")
    start_bots()
    server.wait_for_call("task_update")
    away.set()
    (tmp_path / "go").touch()
    wait_until(kept(tmp_path).exists)
    away.clear()

    server.wait_for_call("poll", 2)

    assert server.output() == b"x" * size


@pytest.mark.parametrize("content", ["", "{", '{"run_id": 1}', "[]"])
def test_a_note_that_makes_no_sense_is_removed(server, start_bots, tmp_path, content):
    kept(tmp_path).parent.mkdir(parents=True)
    kept(tmp_path).write_text(content)

    start_bots()
    server.wait_for_call("poll")

    assert not kept(tmp_path).parent.exists()


NOTE = {
    "run_id": RUN_ID,
    "session": "sess-0",
    "fields": {"exit_code": 0, "duration": 1.0, "cost_usd": 0.0},
    "failure": None,
    "output_start": 0,
    "written_at": 0.0,
}


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({}, None),  # the output that belongs to it is gone
        ({"fields": {"exit_code": 0}}, LARGEST_CHUNK_BYTES + 1),
        ({"fields": None}, 1),
        ({"output_start": "0"}, LARGEST_CHUNK_BYTES + 1),
        ({"failure": "x", "missing": "y"}, 1),
    ],
)
def test_a_report_that_cannot_be_read_costs_no_bot_its_life(server, start_bots, tmp_path, changes, size):
    kept(tmp_path).parent.mkdir(parents=True)
    kept(tmp_path).write_text(json.dumps({**NOTE, **changes}))
    if size is not None:
        (kept(tmp_path).parent / "output").write_bytes(b"x" * size)

    start_bots()
    server.wait_for_call("poll")

    assert not kept(tmp_path).parent.exists()


def test_only_what_is_not_acknowledged_is_kept(tmp_path):
    output = Output(str(tmp_path))
    output.append(b"told and untold")
    output.acknowledge(9)
    undelivered = Undelivered(str(tmp_path / "undelivered"))

    undelivered.keep(RUN_ID, "sess", {"exit_code": 0, "cost_usd": 0.0}, None, output)
    output.close()

    assert (tmp_path / "undelivered" / "output").read_bytes() == b"untold"
    assert json.loads((tmp_path / "undelivered" / "report.json").read_text())["output_start"] == 9
    assert os.stat(tmp_path / "undelivered").st_mode & 0o077 == 0
