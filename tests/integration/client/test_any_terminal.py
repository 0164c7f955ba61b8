"""The commands in any locale, at any width and with any stream closed: no traceback, and nothing fails for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.unit.client.scripted_server import TASK, Asked, a_result, an_output

DEADLINE_SECS = 30.0
NAME, TAG = "größe 日本", "ключ:значение"
LOCALES = {
    "C": {"LC_ALL": "C"},
    "ascii streams": {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"},
    "no UTF-8 at all": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "narrow and dumb": {"COLUMNS": "40", "TERM": "dumb"},
    "no width": {"COLUMNS": "1"},
}
COMMANDS = ["trigger", "run", "collect", "tasks", "task", "bots", "cancel", "hooks", "bot", "standalone", "admin"]


@pytest.fixture(params=LOCALES)
def environment(request, server):
    """One of the locales, and a server with a task whose name, tag and output are not ASCII."""
    server.script("tasks/new", {"task_id": TASK, "request": {"name": NAME}})
    server.script(f"task/{TASK}/result", a_result(name=NAME, tags=[TAG]))
    server.script(f"task/{TASK}/stdout", output)
    server.script("tasks/list", {"items": [a_result(name=NAME, tags=[TAG])]})
    locale = {name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))}
    return locale | {"SWARMING_SERVER": server.url} | LOCALES[request.param]


def output(asked: Asked):
    return an_output("é日本\n" if asked.number("offset") == 0 else "", 9, "COMPLETED")


def swarming(environment, *arguments: str | bytes, module: str = "swarming_client.main", **options):
    program = f"import sys; from {module} import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=environment,
        capture_output=True,
        timeout=DEADLINE_SECS,
        check=False,
        **options,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done


def test_names_and_tags_reach_the_server_as_they_are_meant(environment, server):
    done = swarming(environment, "trigger", "--name", NAME, "--tag", TAG, "-d", "pool=default", "--", "echo", "é")

    assert done.returncode == 0, done.stderr
    [asked] = server.asked_for("tasks/new")
    assert (asked.body["name"], asked.body["tags"]) == (NAME, [TAG])
    assert asked.body["task_slices"][0]["properties"]["command"] == ["echo", "é"]


def test_what_cannot_be_shown_fails_nothing(environment):
    run = swarming(environment, "run", "--name", NAME, "-d", "pool=default", "--", "true")
    listed = swarming(environment, "tasks", "--tag", TAG)

    assert (run.returncode, listed.returncode) == (0, 0)
    assert run.stdout.decode() in ("é日本\n", "???\n")


def test_json_says_all_in_any_locale(environment):
    done = swarming(environment, "tasks", "--json")

    assert done.returncode == 0
    assert json.loads(done.stdout)["items"][0]["name"] == NAME


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_shown_in_any_locale(environment, command):
    done = swarming(environment, command, "--help")

    assert done.returncode == 0
    assert b"usage:" in done.stdout


def test_the_bot_s_own_help_is_shown_in_any_locale(environment):
    done = swarming(environment, "--help", module="swarming_bot.command")

    assert (done.returncode, b"usage:" in done.stdout) == (0, True)


def test_bytes_that_are_no_text_are_refused_in_a_line(environment):
    done = swarming(environment, "trigger", "--name", b"\xff\xfe", "-d", "pool=default", "--", "true")

    assert done.returncode == 2
    assert b"expected text in UTF-8" in done.stderr


@pytest.mark.parametrize("stream", [1, 2])
def test_a_stream_that_is_closed_from_the_start_fails_nothing(environment, stream):
    done = swarming(environment, "tasks", preexec_fn=lambda: os.close(stream))

    assert done.returncode == 0
