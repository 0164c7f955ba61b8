"""The process that stops a run when its bot cannot."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from swarming_bot import watchdog_link
from swarming_bot.boot_clock import boot_seconds
from swarming_bot.watchdog import LATE_SECONDS
from swarming_bot.watchdog_link import Guard, Watchdog
from tests.unit.bot.test_bot_killing import noted
from tests.unit.bot.test_bot_run import ends, is_running

LONG = 1000.0  # seconds

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    found = Watchdog()
    found.start()
    yield found
    found.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts processes as of a run in tmp_path."""
    processes = []

    def start(script: str, folder: str = "run") -> subprocess.Popen[bytes]:
        (tmp_path / folder).mkdir(exist_ok=True)
        env = {**os.environ, "TMPDIR": str(tmp_path / folder / "tmp")}
        process = subprocess.Popen(["sh", "-c", script], start_new_session=True, env=env, cwd=tmp_path)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def guard_of(watchdog: Watchdog, folder: Path, seconds: float, grace: float = LONG) -> Guard:
    """Of a run that is to be heard of within so many seconds."""
    return watchdog.guard(str(folder), boot_seconds() - LATE_SECONDS + seconds, grace)


def test_a_run_of_which_nothing_is_heard_is_stopped_and_others_are_not(watchdog, start, tmp_path):
    late, other = start("exec sleep 60"), start("exec sleep 60", "other")
    with guard_of(watchdog, tmp_path / "other", LONG) as others_guard, guard_of(watchdog, tmp_path / "run", 0) as guard:
        others_guard.leads(other.pid)
        guard.leads(late.pid)

        assert late.wait(8) == -signal.SIGTERM
        assert guard.has_stopped()
        assert not others_guard.has_stopped()
        assert is_running(other.pid)


def test_a_run_goes_on_as_long_as_it_is_heard_of(watchdog, start, tmp_path):
    heard, late = start("exec sleep 60"), start("exec sleep 60", "late")
    with guard_of(watchdog, tmp_path / "run", 0.5) as guard, guard_of(watchdog, tmp_path / "late", 1) as other:
        guard.leads(heard.pid)
        other.leads(late.pid)
        guard.extend(boot_seconds() + LONG)
        assert late.wait(8) == -signal.SIGTERM

        assert is_running(heard.pid)


def test_what_does_not_heed_is_killed_after_its_grace_with_what_it_started(watchdog, start, tmp_path):
    note = tmp_path / "note"
    daemon = f"""env -i setsid sh -c 'trap "" TERM; echo $$ > {note}; while :; do sleep 0.02; done' &"""
    leader = start(f"{daemon} exec sleep 60")
    traceless = noted(note)

    with guard_of(watchdog, tmp_path / "run", 0, grace=0.5) as guard:
        guard.leads(leader.pid)

        assert leader.wait(8) == -signal.SIGTERM
        assert ends(traceless)


def test_a_run_that_its_bot_stops_is_not_asked_twice_but_killed(watchdog, start, tmp_path):
    leader = start("exec sleep 60")
    with guard_of(watchdog, tmp_path / "run", 0.3, grace=0.2) as guard:
        guard.leads(leader.pid)
        guard.asked_to_end()

        assert leader.wait(8) == -signal.SIGKILL


def test_a_process_that_starts_too_late_is_ended(watchdog, start, tmp_path):
    with guard_of(watchdog, tmp_path / "run", 0, grace=0) as guard:
        wait_until(guard.has_stopped)
        leader = start("exec sleep 60")
        guard.leads(leader.pid)

        assert leader.wait(8) in (-signal.SIGKILL, -signal.SIGTERM)


def test_all_runs_are_stopped_when_the_bot_dies(start, tmp_path):
    watchdog = Watchdog()
    leader = start("exec sleep 60")
    guard_of(watchdog, tmp_path / "run", LONG).leads(leader.pid)

    watchdog.close()  # the same to the other end

    assert leader.wait(8) == -signal.SIGTERM


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_watchdog_that_dies_or_hangs_is_replaced(watchdog, start, tmp_path, monkeypatch, number):
    monkeypatch.setattr(watchdog_link, "ROOM_SECONDS", 0.05)
    leader = start("exec sleep 60")
    guard = guard_of(watchdog, tmp_path / "run", LONG)
    guard.leads(leader.pid)
    first = watchdog._process
    first.send_signal(number)

    deadline = time.monotonic() + 8
    while watchdog._process is first and time.monotonic() < deadline:
        guard.extend(boot_seconds() + LONG)
    guard.extend(boot_seconds() - LATE_SECONDS)

    assert leader.wait(8) == -signal.SIGTERM
    assert guard.has_stopped()


def test_a_run_that_ended_by_itself_while_its_bot_was_stopped_is_the_bot_s_to_tell(watchdog, start, tmp_path):
    over, late = start("exit 3"), start("exec sleep 60", "other")
    os.waitid(os.P_PID, over.pid, os.WEXITED | os.WNOWAIT)  # it is a zombie now, as a stopped bot leaves it
    overs_guard, lates_guard = guard_of(watchdog, tmp_path / "run", LONG), guard_of(watchdog, tmp_path / "other", LONG)
    with overs_guard, lates_guard:
        for guard, process in ((overs_guard, over), (lates_guard, late)):
            guard.leads(process.pid)
            guard.extend(boot_seconds() - LATE_SECONDS)

        wait_until(lates_guard.has_stopped)  # which is looked at after the other

        assert not overs_guard.has_stopped()


def test_it_ends_with_its_bot_whatever_else_is_asked_of_it(watchdog, tmp_path):
    process = watchdog._process
    with guard_of(watchdog, tmp_path, 0) as guard:
        wait_until(guard.has_stopped)  # it is up
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        has_own_group = os.getpgid(process.pid) == process.pid

        watchdog.close()

    assert process.returncode == 0
    assert has_own_group  # Ctrl-Z does not reach it


def test_one_that_guards_nothing_is_not_waited_for(watchdog):
    process = watchdog._process

    watchdog.close()

    assert process.returncode == -signal.SIGKILL


def wait_until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 8
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)
