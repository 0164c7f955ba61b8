"""What a task finds does not depend on what started its bot: a hostile parent leaves nothing to it."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from swarming_bot.clean_start import init_limits, parse_limits
from tests.unit.bot.scripted_server import PATIENCE_SECONDS, ScriptedServer

LOOK = """
import json, os, resource, signal, sys
print(json.dumps({
    "umask": os.umask(0),
    "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0], "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    "oom": open("/proc/self/oom_score_adj").read().strip(),
    "descriptors": sorted(int(name) for name in os.listdir("/proc/self/fd") if int(name) < 60),
    "names": sorted(os.environ), "locale": os.environ.get("LANG"), "cwd": os.getcwd(), "pwd": os.environ["PWD"],
    "leads_a_session": os.getsid(0) == os.getpid(), "input": sys.stdin.read(),
}))
"""
ALL_SIGNALS = [one for one in signal.valid_signals() if one not in (signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD)]
LEFT = ("NOTIFY_SOCKET", "INVOCATION_ID", "MAKEFLAGS", "LC_ALL", "OLDPWD", "SHLVL")


def be_hostile() -> None:
    """In the bot's process, before it becomes the bot."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGTTOU, signal.SIGUSR1, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [one for one in ALL_SIGNALS if one is not signal.SIGTERM])
    os.umask(0o077)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, files))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("500")
    os.dup2(1, 42, inheritable=True)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    scripted = ScriptedServer()
    yield scripted
    scripted.close()


def test_a_task_starts_as_if_init_had_just_started_its_bot(server, tmp_path):
    # Python itself ignores SIGPIPE, so another program says which signals it finds ignored and blocked.
    script = "grep -E 'Sig(Blk|Ign)' /proc/self/status | cut -f 2; exec \"$@\""
    server.run("sh", "-c", script, "sh", sys.executable, "-c", LOOK)
    foreign = dict.fromkeys(LEFT, "left by a supervisor") | {"LC_ALL": "C", "LANG": "C"}
    command = [sys.executable, "-m", "swarming_bot", "--server", server.url, "--id", "bot1", "--work", str(tmp_path)]
    bot = subprocess.Popen(
        [*command, "--lowest-free-disk-mb", "0"],
        env=os.environ | foreign,
        preexec_fn=be_hostile,
        pass_fds=(),
        close_fds=False,
        stderr=subprocess.DEVNULL,
    )
    try:
        server.wait_for_final()
    finally:
        bot.terminate()
        assert bot.wait(PATIENCE_SECONDS) == 0
    blocked, ignored, rest = server.output().decode().splitlines()
    found = json.loads(rest)

    # Two more belong to the C library, which lets nobody change them.
    settable = sum(1 << (number - 1) for number in signal.valid_signals())
    assert (int(blocked, 16) & settable, int(ignored, 16) & settable) == (0, 0)
    assert found["umask"] == 0o022
    assert found["files"] == min(init_limits()[resource.RLIMIT_NOFILE], resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert found["oom"] in ("0", "500")  # to lower it takes a privilege
    assert found["descriptors"][:3] == [0, 1, 2]
    assert 42 not in found["descriptors"]
    assert not set(found["names"]) & set(LEFT)
    assert found["locale"] == "C.UTF-8"
    assert found["cwd"] == found["pwd"]
    assert found["leads_a_session"]
    assert found["input"] == ""


def test_limits_are_read_as_the_kernel_writes_them():
    text = (
        "Limit                     Soft Limit           Hard Limit           Units     \n"
        "Max core file size        0                    unlimited            bytes     \n"
        "Max open files            1024                 524288               files     \n"
        "Max stack size            unlimited            unlimited            bytes     \n"
        "Max realtime timeout      unlimited            unlimited            us        \n"
    )

    assert parse_limits(text) == {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_STACK: resource.RLIM_INFINITY,
    }


MANY_BOTS = """
import os, resource, sys
from swarming_bot import open_files
from swarming_bot.process import Process
resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
open_files.make_room(50)
assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 256
for number in range(20):
    process = Process(["sh", "-c", "ulimit -n"], sys.argv[1], dict(os.environ), sys.argv[1])
    print(os.read(process.stdout_fd, 100).decode().strip())
    process.reap()
    process.end()
"""


def test_a_task_never_has_the_limit_of_open_files_that_many_bots_need(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MANY_BOTS, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split() == ["256"] * 20
