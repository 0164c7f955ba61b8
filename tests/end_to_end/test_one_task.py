"""What a person sees of one task, with the `swarming` command and on the page."""

import signal
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from swarming_client import NewTask
from tests.cluster import Deployment

pytestmark = pytest.mark.timeout(90)

SOON = 30.0
"""Seconds; what takes a moment on an idle machine must end within this on a busy one."""


@pytest.fixture
def zips(tmp_path: Path) -> Iterator[str]:
    """The address of a server with one zip, `in.zip`."""
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as file:
        file.writestr("in/hello", "hello from a zip\n")
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(tmp_path)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_run_prints_what_the_task_prints_and_exits_as_it_does(swarming: Deployment):
    answer = swarming.run_command("run", "-d", "pool=default", "--", "python3", "-c", "print(6*7)")

    assert (answer.stdout, answer.returncode) == ("42\n", 0), answer.stderr


def test_run_exits_with_the_exit_code_of_the_task(swarming: Deployment):
    answer = swarming.run_command("run", "--", "sh", "-c", "exit 3")

    assert answer.returncode == 3, answer.stderr


def test_output_is_seen_while_the_task_runs(swarming: Deployment, tmp_path):
    go_on = tmp_path / "go_on"
    script = f"echo first; while ! test -e {go_on}; do sleep 0.05; done; echo last"

    process = swarming.command("run", "--", "sh", "-c", script)
    first = _next_line(process)
    was_running = process.poll() is None
    go_on.touch()
    rest, _ = process.communicate(timeout=SOON)

    assert (first, was_running) == ("first\n", True)
    assert (rest, process.returncode) == ("last\n", 0)


def test_ctrl_c_kills_the_task(swarming: Deployment):
    # A bot that has nothing to report speaks every 10 s, and only then hears that it must stop; so this one talks.
    script = "echo $SWARMING_TASK_ID; while echo busy; do sleep 0.1; done"

    process = swarming.command("run", "--", "sh", "-c", script)
    run_id = _next_line(process).strip()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=SOON)

    assert process.returncode == 130
    result = swarming.client().wait(f"{run_id[:-1]}0", timeout_secs=SOON)
    assert result.state == "KILLED"


def test_a_pending_task_can_be_canceled(swarming: Deployment):
    client = swarming.client()
    task_id = client.new_task(
        NewTask(command=["true"], dimensions=[("no_bot", "has_this")], wait_for_capacity=True)
    ).task_id

    reply = client.cancel(task_id)

    assert (reply.ok, reply.was_running) == (True, False)
    assert client.wait(task_id, timeout_secs=SOON).state == "CANCELED"


def test_a_task_finds_its_inputs(swarming: Deployment, zips: str):
    answer = swarming.run_command("run", "--data", f"{zips}/in.zip", "--", "cat", "in/hello")

    assert (answer.stdout, answer.returncode) == ("hello from a zip\n", 0), answer.stderr


def test_a_task_without_its_inputs_says_which_one_is_missing(swarming: Deployment, zips: str):
    answer = swarming.run_command("run", "--data", f"{zips}/none.zip", "--", "true")

    assert answer.returncode == 1
    assert "none.zip: HTTP 404" in answer.stdout


@pytest.mark.parametrize("bot_id", ["bot-1", "bot-7", "bot-10"])
def test_a_task_for_a_bot_runs_on_that_bot(swarming: Deployment, bot_id):
    client = swarming.client()

    task_id = client.new_task(NewTask(command=["true"], dimensions=[("id", bot_id)])).task_id

    result = client.wait(task_id, timeout_secs=SOON)
    assert (result.state, result.bot_id) == ("COMPLETED", bot_id)


@pytest.mark.parametrize(
    ("limit", "why"),
    [
        ("--timeout", "it ran for longer than its execution_timeout_secs"),
        ("--io-timeout", "it printed nothing for longer than its io_timeout_secs"),
    ],
)
def test_a_task_that_takes_too_long_is_stopped(swarming: Deployment, limit: str, why: str):
    answer = swarming.run_command("run", limit, "1", "--", "sh", "-c", "echo begun; exec sleep 60")

    assert answer.stdout == "begun\n"
    assert answer.returncode == 128 + signal.SIGTERM
    assert answer.stderr.endswith(f": timed out: {why}\n")


def test_a_task_that_no_bot_takes_expires(swarming: Deployment):
    answer = swarming.run_command(
        "run", "-d", "no_bot=has_this", "--wait-for-capacity", "--expiration", "1", "--", "true"
    )

    assert answer.returncode == 1
    assert "expired" in answer.stderr


def test_the_pages_show_the_task(swarming: Deployment):
    client = swarming.client()
    task = NewTask(command=[sys.executable, "-c", "print('<b>', 6 * 7)"], name="a task to be seen")
    task_id = client.new_task(task).task_id
    client.wait(task_id, timeout_secs=SOON)

    with httpx.Client(base_url=swarming.url, trust_env=False) as http:
        overview = http.get("/")
        page = http.get(f"/user/task/{task_id}")
        unknown = http.get(f"/user/task/1{task_id[1:]}", headers={"Accept": "text/html"})

    assert overview.status_code == 200
    assert "a task to be seen" in overview.text
    assert "bot-1" in overview.text
    assert page.status_code == 200
    assert "&lt;b&gt; 42" in page.text
    assert unknown.status_code == 404


def _next_line(process) -> str:
    """The next line of its output; a process that says nothing is killed and so ends the wait."""
    watch = threading.Timer(SOON, process.kill)
    watch.start()
    try:
        return process.stdout.readline()
    finally:
        watch.cancel()
