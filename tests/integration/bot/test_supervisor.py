"""The supervisor with real children, which are zips of a few lines."""

from __future__ import annotations

import os
import select
import signal
import threading
from pathlib import Path

import pytest

from swarming_bot import supervisor as module
from swarming_bot.code_folder import GOOD, CodeFolder
from swarming_bot.supervisor import EXIT_BAD_ARGUMENTS, EXIT_IN_USE, EXIT_TO_START_AGAIN, Supervisor
from swarming_bot.supervisor_link import VARIABLE, link_of_this_process
from swarming_common.bot_code.archive import MAIN, pack, version_of

SAY_PROVEN = """
import os, socket
line = socket.socket(fileno=int(os.environ["SWARMING_BOT_SUPERVISOR"]))
line.sendall(b"+")
"""


def say(word: str) -> str:
    """Code that leaves a trace and knows how often it ran."""
    return f"""
import os, sys
with open(os.path.join(os.path.dirname(os.path.dirname(__file__)), "trace"), "a+") as trace:
    trace.write("{word} ")
    trace.seek(0)
    turn = trace.read().split().count("{word}")
"""


class Box:
    """A folder with a supervisor, which runs in this process's main thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.folder = CodeFolder(str(path))

    def put(self, code: str) -> None:
        (self.path / GOOD).write_bytes(pack({MAIN: code.encode()}))
        self.folder.settle()

    def try_next(self, code: str) -> str:
        version, path = version_of({MAIN: code.encode()}), self.folder.free_slot()
        self.folder.store(path, pack({MAIN: code.encode()}))
        self.folder.put_on_trial(path, version)
        return version

    def run(self, trial_seconds: float = 30.0, server: str = "http://127.0.0.1:9") -> int:
        return Supervisor(self.folder, server, "start_bot", ["--x"], trial_seconds).run()

    @property
    def trace(self) -> list[str]:
        return (self.path / "trace").read_text().split()


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 0.01)
    return Box(tmp_path)


def test_a_bot_that_ends_by_itself_is_not_started_again(box):
    box.put(say("good") + "sys.exit(0 if sys.argv[1:] == ['start_bot', '--x'] else 2)")

    assert box.run() == 0
    assert box.trace == ["good"]


def test_wrong_arguments_are_not_tried_again(box):
    box.put(say("good") + "sys.exit(2)")

    assert box.run() == EXIT_BAD_ARGUMENTS


def test_a_bot_that_crashes_is_started_again(box):
    box.put(say("good") + "sys.exit(0 if turn == 3 else 7)")

    assert box.run() == 0
    assert box.trace == ["good"] * 3


def test_new_code_that_crashes_at_start_is_abandoned_for_the_good_one(box):
    box.put(say("good"))
    version = box.try_next(say("bad") + "os._exit(3)")

    assert box.run() == 0

    assert box.trace == ["bad", "bad", "good"]
    note = box.folder.note()
    assert (note.rejected, note.reason) == (version, "it ended with 3")


def test_new_code_that_ends_without_ever_having_worked_is_no_orderly_end(box):
    box.put(say("good"))
    version = box.try_next(say("bad") + "os._exit(0)")

    assert box.run() == 0

    assert box.trace == ["bad", "bad", "good"]
    assert box.folder.note().rejected == version


def test_without_room_for_a_note_it_tries_again(box, monkeypatch):
    full = iter([OSError("no space left"), None])
    count_crash = box.folder.count_crash

    def count() -> int:
        error = next(full, None)
        if error is not None:
            raise error
        return count_crash()

    monkeypatch.setattr(box.folder, "count_crash", count)
    box.put(say("good"))
    box.try_next(say("bad") + "os._exit(3)")

    assert box.run() == 0
    assert box.trace == ["bad", "bad", "bad", "good"]


def test_one_crash_on_trial_is_forgiven(box):
    box.put(say("good"))
    version = box.try_next(say("new") + "turn == 1 and os._exit(3)\n" + SAY_PROVEN)

    assert box.run() == 0

    assert box.trace == ["new", "new"]
    assert box.folder.note().version == version


def test_new_code_that_gets_no_answer_is_abandoned_when_the_server_is_there(box, monkeypatch):
    monkeypatch.setattr(Supervisor, "_server_is_there", lambda self: True)
    box.put(say("good"))
    version = box.try_next(say("hangs") + "import time\ntime.sleep(60)")

    assert box.run(trial_seconds=1.0) == 0

    assert box.trace[-1] == "good"
    assert box.folder.note().rejected == version


def test_without_a_server_the_trial_goes_on(box):
    box.put(say("good"))
    version = box.try_next(say("waits") + "import time\ntime.sleep(0.7)\n" + SAY_PROVEN)

    assert box.run(trial_seconds=0.2) == 0

    assert box.trace == ["waits"]
    assert box.folder.note().version == version


def test_code_that_is_proven_may_take_its_time(box, monkeypatch):
    spoke = [False]

    def is_there(_: Supervisor) -> bool:
        """Only once the code has spoken, long enough ago to be heard: it may need any time to start."""
        spoke.append((box.path / "trace").exists())
        return spoke[-2]

    monkeypatch.setattr(Supervisor, "_server_is_there", is_there)
    box.put(say("good"))
    box.try_next(SAY_PROVEN + say("new") + "import time\ntime.sleep(1)")

    assert box.run(trial_seconds=0.2) == 0
    assert box.trace == ["new"]


def test_code_that_worked_once_and_then_crashes_in_a_row_is_abandoned(box):
    box.put(say("good"))
    box.try_next(say("bad") + "sys.exit(5)")
    box.folder.prove()

    assert box.run() == 0

    assert box.trace == ["bad"] * module.CRASHES_IN_A_ROW + ["good"]
    assert "5 times in a row" in box.folder.note().reason


def test_an_update_is_started_at_once(box):
    box.put(say("good") + SAY_PROVEN + f"sys.exit({EXIT_TO_START_AGAIN} if turn == 1 else 0)")

    assert box.run() == 0
    assert box.trace == ["good", "good"]


def test_a_bot_that_wants_a_new_process_soon_after_each_start_has_it_slower_and_slower(box, monkeypatch):
    pauses: list[float] = []
    waited = select.select

    def note(reading, writing, odd, timeout):
        if timeout is not None:
            pauses.append(timeout)
        return waited(reading, writing, odd, min(timeout, 0.01) if timeout is not None else None)

    monkeypatch.setattr(module, "LONGEST_PAUSE_SECONDS", 3.0)
    monkeypatch.setattr(select, "select", note)
    box.put(say("good") + SAY_PROVEN + f"sys.exit({EXIT_TO_START_AGAIN} if turn < 6 else 0)")

    assert box.run() == 0
    assert pauses == [0, 1, 2, 3, 3]


def test_a_bot_that_wants_a_new_process_before_any_poll_is_answered_has_crashed(box):
    box.put(say("good"))
    version = box.try_next(say("bad") + f"sys.exit({EXIT_TO_START_AGAIN})")

    assert box.run() == 0

    assert box.trace == ["bad", "bad", "good"]
    assert box.folder.note().rejected == version


@pytest.mark.parametrize("code", [0, EXIT_TO_START_AGAIN])
def test_a_signal_is_passed_on_and_ends_it(box, code):
    ready = str(box.path / "ready")
    os.mkfifo(ready)
    box.put(
        "import signal, sys, time\n"
        f"signal.signal(signal.SIGTERM, lambda *_: sys.exit({code}))\n"
        f"open({ready!r}, 'w').close()\ntime.sleep(60)\nsys.exit(9)"
    )

    def stop() -> None:
        with open(ready):
            os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop)
    thread.start()
    assert box.run() == 0
    thread.join()


def test_two_supervisors_do_not_share_a_folder(box):
    box.put(
        "import subprocess, sys\n"
        "from swarming_bot.code_folder import CodeFolder\n"
        "from swarming_bot.supervisor import Supervisor\n"
        f"second = Supervisor(CodeFolder({str(box.path)!r}), '', 'start_bot', [])\n"
        f"sys.exit(0 if second.run() == {EXIT_IN_USE} else 2)"
    )

    assert box.run() == 0


def test_tasks_do_not_see_the_line_to_the_supervisor():
    os.environ[VARIABLE] = "not a number"

    assert link_of_this_process() is None
    assert VARIABLE not in os.environ
