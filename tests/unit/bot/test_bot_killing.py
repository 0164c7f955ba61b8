"""No process of a run outlives it, and no other process is touched."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarming_bot import process_tree
from swarming_bot.process import Process
from swarming_bot.process_tree import ProcessTree, kill_strays
from tests.unit.bot.scripted_server import PATIENCE_SECONDS
from tests.unit.bot.test_bot_run import ends, is_running, stop_once_it_spoke

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux shows the environment of a process")

# Leaves its group and its session, and its parent ends; TERM is heeded or not.
DAEMON = "setsid sh -c '{trap} echo $$ > {note}; while :; do sleep 0.05; done' > /dev/null 2>&1 < /dev/null & "


def daemon(note: Path, trap: str = "") -> str:
    return DAEMON.format(note=note, trap=trap)


def until_noted(note: Path) -> str:
    return f"while ! test -s {note}; do sleep 0.01; done; "


def noted(note: Path) -> int:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (note.exists() and note.read_text().endswith("\n")) and time.monotonic() < deadline:
        time.sleep(0.01)
    return int(note.read_text())


@pytest.fixture
def start(tmp_path) -> Iterator[Callable[..., Process]]:
    processes = []

    def start(script: str, run: str = "run1", **variables: str) -> Process:
        folder = tmp_path / run
        folder.mkdir()
        env = {**os.environ, "LUCI_CONTEXT": f"{folder}/luci_context.json", **variables}
        process = Process(["sh", "-c", script], str(folder), env, str(folder))
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.end()


def test_a_daemon_is_a_member_of_its_run_and_of_no_other(start, tmp_path):
    mine = start(daemon(tmp_path / "mine") + "sleep 60")
    other = start("exec sleep 60", run="run10")
    pid = noted(tmp_path / "mine")

    mine_has, other_has = mine.tree.members(), other.tree.members()
    mine.tree.signal(signal.SIGKILL)

    assert pid in mine_has
    assert pid not in other_has
    assert ends(pid)
    assert is_running(other.pid)


def test_an_adopted_daemon_without_a_trace_of_its_run_belongs_to_the_one_that_may_have_started_it(
    start, tmp_path, monkeypatch
):
    monkeypatch.setattr(process_tree._household, "adopts_orphans", True)
    monkeypatch.setattr(process_tree, "names_folder", lambda pid, folder: False)
    bystander = subprocess.Popen(["sleep", "60"])  # in our session, as what hooks start
    first = start("exec sleep 60")
    time.sleep(0.05)  # a clock tick
    second = start("exec sleep 60", run="run2")
    time.sleep(0.05)
    orphan = subprocess.Popen(["sleep", "60"], start_new_session=True)  # our child, and nobody's

    while_both_run = orphan.pid in first.tree.members() + second.tree.members()
    second.end()
    when_one_is_left = first.tree.members()
    late = ProcessTree(str(tmp_path / "run3"))
    while_one_starts = first.tree.members()
    late.close()

    assert not while_both_run
    assert when_one_is_left == [orphan.pid]
    assert while_one_starts == []
    for process in (orphan, bystander):
        process.kill()
        process.wait()


def test_an_adopted_daemon_that_works_in_the_folder_of_a_run_belongs_to_it(start, tmp_path, monkeypatch):
    monkeypatch.setattr(process_tree._household, "adopts_orphans", True)
    monkeypatch.setattr(process_tree, "names_folder", lambda pid, folder: False)
    first = start("exec sleep 60")
    second = start("exec sleep 60", run="run2")
    orphans = {
        run: subprocess.Popen(["sleep", "60"], start_new_session=True, cwd=tmp_path / run) for run in ("run1", "run2")
    }

    theirs = (first.tree.members(), second.tree.members())

    assert theirs == ([orphans["run1"].pid], [orphans["run2"].pid])
    for orphan in orphans.values():
        orphan.kill()
        orphan.wait()


def test_strays_of_a_folder_are_killed_and_no_others(start, tmp_path):
    mine = start("exec sleep 60")
    other = start("exec sleep 60", run="run2")

    killed = kill_strays(str(tmp_path / "run1"))

    assert killed == [mine.pid]
    assert is_running(other.pid)


def test_a_daemon_that_a_task_leaves_behind_is_asked_to_end_before_the_result_is_told(
    server, start_bots, tmp_path, monkeypatch
):
    monkeypatch.setattr("swarming_bot.supervision.LEFTOVER_GRACE_SECONDS", PATIENCE_SECONDS)
    trap = f'trap "touch {tmp_path}/asked; exit" TERM;'
    server.run("sh", "-c", daemon(tmp_path / "note", trap) + until_noted(tmp_path / "note"))

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == 0
    assert not is_running(noted(tmp_path / "note"))
    assert (tmp_path / "asked").exists()


def test_a_daemon_that_does_not_heed_is_killed(server, start_bots, tmp_path):
    note = tmp_path / "note"
    script = daemon(note, 'trap "" TERM;') + until_noted(note)
    server.run("sh", "-c", script, grace_period=0.1)

    start_bots()
    server.wait_for_final()

    assert not is_running(noted(note))


def test_a_canceled_task_takes_its_daemons_with_it_and_they_too_have_the_grace_period(server, start_bots, tmp_path):
    note = tmp_path / "note"
    trap = f'trap "sleep 0.3; touch {tmp_path}/orderly; exit" TERM;'
    server.run("sh", "-c", daemon(note, trap) + until_noted(note) + "echo up; exec sleep 60")
    server.answer = stop_once_it_spoke

    start_bots()
    final = server.wait_for_final()

    assert final.body["exit_code"] == -15
    assert (tmp_path / "orderly").exists()
    assert not is_running(noted(note))


def test_a_background_child_that_writes_on_does_not_hold_the_result(server, start_bots):
    script = "(trap '' TERM; while :; do echo more; sleep 0.01; done) & echo pid $!; sleep 0.1"
    server.run("sh", "-c", script, grace_period=0.1)

    start_bots()
    server.wait_for_final()

    assert not is_running(int(re.findall(rb"pid (\d+)", server.output())[0]))


def test_bots_on_one_host_do_not_end_each_others_tasks(server, start_bots, tmp_path):
    scripts = {
        "bot1-1": daemon(tmp_path / "note1") + until_noted(tmp_path / "note1") + until_noted(tmp_path / "note2"),
        "bot1-2": daemon(tmp_path / "note2") + "sleep 60",
    }

    def answer(heard):
        bot_id = heard.body.get("dimensions", {}).get("id", [""])[0]
        if heard.call == "poll" and bot_id in scripts:
            manifest = {"command": ["sh", "-c", scripts.pop(bot_id)], "task_id": f"7c2236638dbf00{bot_id[-1]}1"}
            return {"cmd": "run", "manifest": {**manifest, "io_timeout": None, "grace_period": 0.1}}
        return None

    server.answer = answer

    start_bots(2)
    server.wait_for_final()
    others = noted(tmp_path / "note2")

    assert not is_running(noted(tmp_path / "note1"))
    assert is_running(others)
