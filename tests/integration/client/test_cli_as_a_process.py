"""The `swarming` command as a process: signals, terminals and pipes."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.client.scripted_server import (
    TASK,
    Answer,
    Asked,
    ScriptedServer,
    a_finished_task,
    a_result,
    an_output,
)

DEADLINE_SECS = 20.0
Start = Callable[..., "subprocess.Popen[str]"]


class RunningTask:
    """A task that prints one line and goes on until it is canceled."""

    def __init__(self, server: ScriptedServer) -> None:
        self.followed = threading.Event()
        self.canceled = threading.Event()
        self.cancel_asked = threading.Event()
        self.released = threading.Event()
        server.script("tasks/new", {"task_id": TASK})
        server.script(f"task/{TASK}/stdout", self._stdout)
        server.script(f"task/{TASK}/cancel", self._cancel)
        server.script(f"task/{TASK}/result", self._result)

    def _stdout(self, asked: Asked) -> dict[str, Any]:
        if asked.number("offset") == 0:
            return an_output("started\n", 8)
        self.followed.set()
        self.canceled.wait(min(asked.number("wait_secs"), DEADLINE_SECS))
        if not self.canceled.is_set():
            return an_output("", 8)
        return an_output("" if asked.number("offset") == 13 else "bye!\n", 13, "KILLED")

    def _cancel(self, asked: Asked) -> dict[str, Any]:
        self.cancel_asked.set()
        self.released.wait(DEADLINE_SECS)
        self.canceled.set()
        return {"ok": True, "was_running": True}

    def _result(self, asked: Asked) -> dict[str, Any]:
        return a_result("KILLED", exit_code="-1") if self.canceled.is_set() else a_result("RUNNING", bot_id="bot7")


def read_terminal(terminal: int) -> str:
    """Read what a process wrote to its terminal, until it has closed it."""
    seen = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux's way to say that nobody has the other end open any more
            piece = b""
        if not piece:
            os.close(terminal)
            return seen.decode()
        seen += piece


def test_ctrl_c_cancels_the_task_and_follows_it_to_its_end(server: ScriptedServer, start_swarming: Start):
    task = RunningTask(server)
    task.released.set()
    process = start_swarming("run", "--", "sleep", "100")
    assert task.followed.wait(DEADLINE_SECS)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_SECS)

    assert process.returncode == 130
    assert out == "started\nbye!\n"
    assert err.splitlines() == [
        f"swarming: canceling task {TASK} (Ctrl-C again: leave without waiting)",
        f"swarming: task {TASK}: killed",
    ]
    assert server.asked_for(f"task/{TASK}/cancel")[0].body == {"kill_running": True}


def test_a_second_ctrl_c_leaves_without_waiting(server: ScriptedServer, start_swarming: Start):
    task = RunningTask(server)
    process = start_swarming("run", "--", "sleep", "100")
    assert task.followed.wait(DEADLINE_SECS)

    process.send_signal(signal.SIGINT)
    assert task.cancel_asked.wait(DEADLINE_SECS)
    process.send_signal(signal.SIGINT)
    threading.Timer(0.1, task.released.set).start()
    out, err = process.communicate(timeout=DEADLINE_SECS)

    assert (process.returncode, out) == (130, "started\n")
    assert "Traceback" not in err


def test_ctrl_c_while_the_submission_is_under_way_cancels_what_comes_of_it(
    server: ScriptedServer, start_swarming: Start
):
    task = RunningTask(server)
    task.released.set()
    submitting, answer = threading.Event(), threading.Event()

    def submit(asked: Asked) -> dict[str, Any]:
        submitting.set()
        answer.wait(DEADLINE_SECS)
        return {"task_id": TASK}

    server.script("tasks/new", submit)
    process = start_swarming("run", "--", "sleep", "100")
    assert submitting.wait(DEADLINE_SECS)

    process.send_signal(signal.SIGINT)
    assert process.stderr
    said = process.stderr.readline()
    answer.set()
    process.communicate(timeout=DEADLINE_SECS)

    assert "will be canceled" in said
    assert process.returncode == 130
    assert task.canceled.is_set()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_leave_says_that_the_task_goes_on(
    server: ScriptedServer, start_swarming: Start, number: signal.Signals
):
    task = RunningTask(server)
    process = start_swarming("run", "--", "sleep", "100")
    assert task.followed.wait(DEADLINE_SECS)

    process.send_signal(number)
    out, err = process.communicate(timeout=DEADLINE_SECS)

    assert (process.returncode, out) == (128 + number, "started\n")
    assert err == f"swarming: task {TASK} goes on without us; `swarming collect {TASK}` takes it up again\n"
    assert not task.cancel_asked.is_set()


def test_a_terminal_that_was_closed_changes_nothing_in_how_the_command_ends(
    server: ScriptedServer, start_swarming: Start
):
    task = RunningTask(server)
    ours, theirs = pty.openpty()
    process = start_swarming("run", "--", "sleep", "100", stderr=theirs)
    os.close(theirs)
    assert task.followed.wait(DEADLINE_SECS)

    process.send_signal(signal.SIGSTOP)  # lest it writes to the closed terminal before it hears of that
    os.close(ours)
    process.send_signal(signal.SIGHUP)
    process.send_signal(signal.SIGCONT)

    assert process.wait(DEADLINE_SECS) == 128 + signal.SIGHUP


def test_a_second_ctrl_c_while_the_server_is_away_says_that_the_task_may_go_on(
    server: ScriptedServer, start_swarming: Start
):
    task, refused = RunningTask(server), threading.Event()

    def refuse(asked: Asked) -> Answer:
        refused.set()
        return Answer(503)

    server.script(f"task/{TASK}/cancel", refuse)
    process = start_swarming("run", "--", "sleep", "100")
    assert task.followed.wait(DEADLINE_SECS)

    process.send_signal(signal.SIGINT)
    assert refused.wait(DEADLINE_SECS)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=DEADLINE_SECS)

    assert process.returncode == 130
    assert err.splitlines()[-1] == (
        f"swarming: task {TASK} may go on without us; `swarming collect {TASK}` takes it up again"
    )


@pytest.mark.parametrize("signals", [[signal.SIGTERM], [signal.SIGINT, signal.SIGINT]])
def test_leaving_before_the_submission_is_answered_says_that_its_end_is_unknown(
    server: ScriptedServer, start_swarming: Start, signals: list[signal.Signals]
):
    submitting, answer = threading.Event(), threading.Event()

    def submit(asked: Asked) -> dict[str, Any]:
        submitting.set()
        answer.wait(DEADLINE_SECS)
        return {"task_id": TASK}

    server.script("tasks/new", submit)
    process = start_swarming("run", "--", "sleep", "100")
    assert submitting.wait(DEADLINE_SECS)
    assert process.stderr

    *before, last = signals
    for number in before:
        process.send_signal(number)
        assert "will be canceled" in process.stderr.readline()
    process.send_signal(last)
    said = process.stderr.read()
    answer.set()

    assert process.wait(DEADLINE_SECS) == 128 + last
    assert said == "swarming: it is unknown whether the task was submitted; `swarming tasks` lists it if it was\n"


def test_ctrl_c_in_collect_leaves_the_task_alone(server: ScriptedServer, start_swarming: Start):
    task = RunningTask(server)
    process = start_swarming("collect", TASK)
    assert task.followed.wait(DEADLINE_SECS)

    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE_SECS)

    assert (process.returncode, out, err) == (130, "started\n", "")
    assert not task.cancel_asked.is_set()


def test_progress_shows_on_a_terminal_and_leaves_no_trace_in_the_output(server: ScriptedServer, start_swarming: Start):
    a_finished_task(server)
    server.script(
        f"task/{TASK}/stdout",
        an_output("", 0, "PENDING"),
        an_output("4", 1),
        an_output("2\n", 3, "COMPLETED"),
        an_output("", 3, "COMPLETED"),
    )
    ours, theirs = pty.openpty()

    process = start_swarming("run", "true", stderr=theirs)
    os.close(theirs)
    shown = read_terminal(ours)
    out, _ = process.communicate(timeout=DEADLINE_SECS)

    assert (process.returncode, out) == (0, "42\n")
    assert f"task {TASK}: pending…" in shown
    assert f"task {TASK}: running on bot1…" in shown
    assert shown.endswith("\r\x1b[K"), "the status line is cleared at the end"


def test_collect_shows_no_state_that_a_task_had_before(server: ScriptedServer, start_swarming: Start):
    a_finished_task(server)
    ours, theirs = pty.openpty()

    process = start_swarming("collect", TASK, stderr=theirs)
    os.close(theirs)
    shown = read_terminal(ours)
    out, _ = process.communicate(timeout=DEADLINE_SECS)

    assert (process.returncode, out) == (0, "42\n")
    assert f"task {TASK}: completed" in shown
    assert "pending" not in shown


def test_a_table_is_cut_to_the_terminal(server: ScriptedServer, start_swarming: Start):
    server.script("tasks/list", {"items": [a_result(name="n" * 300)]})
    ours, theirs = pty.openpty()

    process = start_swarming("tasks", stdout=theirs)
    os.close(theirs)
    shown = read_terminal(ours)
    process.wait(DEADLINE_SECS)

    assert max(len(line) for line in shown.splitlines()) == 80


def test_a_closed_pipe_is_no_traceback_and_leaves_the_task_running(server: ScriptedServer, start_swarming: Start):
    a_finished_task(server)
    server.script(f"task/{TASK}/stdout", lambda asked: an_output("y\n" * 1000, int(asked.number("offset")) + 2000))
    process = start_swarming("run", "yes")
    assert process.stdout
    process.stdout.readline()

    process.stdout.close()
    process.wait(DEADLINE_SECS)

    assert process.stderr
    said = process.stderr.read()
    assert process.returncode == 141
    assert said.splitlines() == [
        f"swarming: task {TASK} goes on without us; `swarming collect {TASK}` takes it up again"
    ]
    assert server.asked_for(f"task/{TASK}/cancel") == []


def test_a_list_into_a_closed_pipe_says_nothing(server: ScriptedServer, start_swarming: Start):
    server.script("tasks/list", {"items": [a_result()] * 10})
    reading, writing = os.pipe()
    os.close(reading)

    process = start_swarming("tasks", stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=DEADLINE_SECS)

    assert (process.returncode, err) == (141, "")
