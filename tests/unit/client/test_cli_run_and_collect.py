"""`swarming run`, `trigger` and `collect` against a scripted server."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.client.scripted_server import (
    LOST,
    TASK,
    Answer,
    ScriptedServer,
    a_finished_task,
    a_result,
    an_output,
)

Swarming = Callable[..., Any]


def test_run_prints_the_tasks_output_and_nothing_else(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server, "42\n")

    ended = swarming("run", "-d", "pool=default", "--", "python3", "-c", "print(6*7)")

    assert (ended.code, ended.out, ended.err) == (0, "42\n", "")


def test_run_submits_what_the_options_say(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server)
    options = "-d os=Linux|Mac -d pool=gpu --name n --priority 30 --expiration 10m --timeout 2h --io-timeout 45"
    more = "--env A=b=c --env-prefix PATH=x --env-prefix PATH=y --tag k:v --idempotent --user me"

    swarming(
        "run",
        *options.split(),
        *more.split(),
        "--wait-for-capacity",
        "--data",
        "http://h/a.zip",
        "--data",
        "http://h/b.zip",
        "--relative-cwd",
        "d",
        "--",
        "a",
        "--",
        "-b",
    )

    [asked] = server.asked_for("tasks/new")
    [task_slice] = asked.body["task_slices"]
    assert {key: asked.body[key] for key in ("name", "priority", "tags", "user")} == {
        "name": "n",
        "priority": 30,
        "tags": ["k:v"],
        "user": "me",
    }
    assert (task_slice["expiration_secs"], task_slice["wait_for_capacity"]) == (600, True)
    assert task_slice["properties"] == {
        "command": ["a", "--", "-b"],
        "dimensions": [{"key": "os", "value": "Linux|Mac"}, {"key": "pool", "value": "gpu"}],
        "env": [{"key": "A", "value": "b=c"}],
        "env_prefixes": [{"key": "PATH", "value": ["x", "y"]}],
        "execution_timeout_secs": 7200,
        "io_timeout_secs": 45,
        "idempotent": True,
        "relative_cwd": "d",
        "data": [{"url": "http://h/a.zip"}, {"url": "http://h/b.zip"}],
    }


def test_the_server_may_be_named_before_or_after_the_command(server: ScriptedServer, swarming: Swarming, monkeypatch):
    a_finished_task(server)
    monkeypatch.delenv("SWARMING_SERVER")

    before = swarming("--server", server.url, "run", "true")
    after = swarming("run", "--server", server.url, "true")

    assert (before.code, after.code) == (0, 0)


@pytest.mark.parametrize(("told", "code"), [("3", 3), ("-9", 137), ("256", 255)])
def test_run_exits_as_the_task_did(server: ScriptedServer, swarming: Swarming, told: str, code: int):
    a_finished_task(server, exit_code=told)

    assert swarming("run", "--", "sh", "-c", "exit 3").code == code


def test_run_says_in_a_word_why_there_is_no_exit_code(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server, "", state="NO_RESOURCE")
    server.script(f"task/{TASK}/result", a_result("NO_RESOURCE"))

    ended = swarming("run", "true")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == f"swarming: task {TASK}: no resource: no bot has these dimensions\n"


def test_run_follows_the_output_of_a_server_that_holds_its_answers(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server)
    server.script(
        f"task/{TASK}/stdout",
        an_output("one\n", 4),
        an_output("two\n", 8),
        an_output("three\n", 14, "COMPLETED"),
        an_output("", 14, "COMPLETED"),
    )

    ended = swarming("run", "true")

    assert ended.out == "one\ntwo\nthree\n"
    questions = server.asked_for(f"task/{TASK}/stdout")
    assert [asked.number("offset") for asked in questions] == [0, 4, 8, 14]
    assert questions[0].number("wait_secs") == 20


def test_a_task_that_waits_for_long_says_so_once_where_there_is_no_status_line(
    server: ScriptedServer, swarming: Swarming, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("swarming_client.watch.PATIENCE_SECS", 0.0)
    a_finished_task(server)
    server.script(
        f"task/{TASK}/stdout",
        an_output("", 0, "PENDING"),
        an_output("42\n", 3, "COMPLETED"),
        an_output("", 3, "COMPLETED"),
    )

    ended = swarming("run", "true")

    assert ended.out == "42\n"
    assert ended.err == f"swarming: task {TASK} still waits; `swarming why {TASK}` says for what\n"


def test_a_task_that_starts_over_on_another_bot_is_followed_from_its_new_start(
    server: ScriptedServer, swarming: Swarming
):
    a_finished_task(server)
    first, second = {"run_id": f"{TASK[:-1]}1"}, {"run_id": f"{TASK[:-1]}2"}
    server.script(
        f"task/{TASK}/stdout",
        an_output("half\n", 5) | first,
        an_output("", 5) | second,
        an_output("whole\n", 6, "COMPLETED") | second,
        an_output("", 6, "COMPLETED") | second,
    )

    ended = swarming("run", "true")

    assert ended.out == "half\nwhole\n"
    assert [asked.number("offset") for asked in server.asked_for(f"task/{TASK}/stdout")] == [0, 5, 0, 6]
    assert "starts over" in ended.err


def test_run_with_json_prints_the_result_alone(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server, "noise\n", exit_code="3")

    ended = swarming("run", "--json", "true")

    assert ended.code == 3
    assert ended.json == a_result(exit_code="3")
    assert ended.err == ""


def test_a_submission_whose_answer_gets_lost_is_made_once(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server)
    server.script("tasks/new", LOST, {"task_id": TASK})

    ended = swarming("run", "true")

    first, second = server.asked_for("tasks/new")
    assert (ended.code, ended.out) == (0, "42\n")
    assert first.body == second.body
    assert first.body["request_uuid"]
    assert "trying again for up to 30 s" in ended.err


def test_the_servers_refusal_is_one_line(server: ScriptedServer, swarming: Swarming):
    server.script("tasks/new", Answer(400, {"error": {"message": "priority: expected 0\nto 255"}}))

    ended = swarming("run", "--priority", "999", "true")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "swarming: priority: expected 0 to 255\n"


def test_a_server_that_is_away_is_one_line(swarming: Swarming):
    ended = swarming("run", "--server", "http://127.0.0.1:1", "--retry", "0", "true")

    assert (ended.code, ended.out) == (1, "")
    assert ended.err == "swarming: http://127.0.0.1:1 cannot be reached (Connection refused)\n"


def test_losing_the_server_midway_says_how_to_take_up_the_task_again(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server)
    server.script(f"task/{TASK}/stdout", an_output("one\n", 4), Answer(503))

    ended = swarming("run", "--retry", "0", "true")

    assert (ended.code, ended.out) == (1, "one\n")
    assert f"swarming collect {TASK}" in ended.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["run"],
        ["run", "--"],
        ["run", "-d", "pool", "--", "true"],
        ["run", "--timeout", "soon", "--", "true"],
        ["run", "--tag", "novalue", "--", "true"],
        ["run", "--server", "ftp://x", "--", "true"],
        ["collect"],
        ["tasks", "--state", "sleepy"],
        ["trigger", "--request-json", "/nowhere"],
        ["trigger", "--request-json", "/dev/null"],
        ["trigger", "--request-json", "-", "--", "true"],
    ],
)
def test_a_wrong_use_exits_with_2_and_asks_no_server(server: ScriptedServer, swarming: Swarming, arguments: list[str]):
    ended = swarming(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert ended.err
    assert server.asked == []


def test_trigger_prints_the_id(server: ScriptedServer, swarming: Swarming):
    a_finished_task(server)

    ended = swarming("trigger", "--", "true")

    assert (ended.code, ended.out, ended.err) == (0, f"{TASK}\n", "")
    assert server.asked_for("tasks/new")[0].body["request_uuid"]


def test_trigger_with_json_prints_the_receipt(server: ScriptedServer, swarming: Swarming):
    receipt = {"task_id": TASK, "request": {"name": "hello", "priority": "100"}}
    server.script("tasks/new", receipt)

    assert swarming("trigger", "--json", "true").json == receipt


@pytest.mark.parametrize("source", ["file", "-"])
def test_trigger_submits_a_whole_request(
    server: ScriptedServer, swarming: Swarming, tmp_path: Path, monkeypatch, source: str
):
    a_finished_task(server)
    request = {"name": "raw", "request_uuid": "mine", "task_slices": []}
    file = tmp_path / "request.json"
    file.write_text(json.dumps(request))
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(request)))

    ended = swarming("trigger", "--request-json", str(file) if source == "file" else "-")

    assert ended.out == f"{TASK}\n"
    assert server.asked_for("tasks/new")[0].body == request


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (["-d", "a=b"], "--dimension"),
        (["--priority", "100"], "--priority"),
        (["--idempotent", "--io-timeout", "0"], "--io-timeout, --idempotent"),
        (["--user", ""], "--user"),
    ],
)
def test_an_option_beside_a_whole_request_is_refused_and_named(
    server: ScriptedServer, swarming: Swarming, tmp_path: Path, given: list[str], named: str
):
    file = tmp_path / "request.json"
    file.write_text("{}")

    ended = swarming("trigger", "--request-json", str(file), *given)

    assert ended.code == 2
    assert set(named.split(", ")) == set(re.findall(r"--[a-z-]+", ended.err)) - {"--request-json"}
    assert server.asked == []


def test_collect_prints_outputs_in_turn_and_exits_with_the_first_failure(server: ScriptedServer, swarming: Swarming):
    for task_id, text, exit_code in (
        ("a10", "first\n", "0"),
        ("b10", "second\n", "7"),
        ("c10", "third\n", "9"),
    ):
        output = an_output(text, len(text), "COMPLETED")
        server.script(f"task/{task_id}/stdout", output, an_output("", len(text), "COMPLETED"))
        server.script(f"task/{task_id}/result", a_result(task_id=task_id, exit_code=exit_code))

    ended = swarming("collect", "a10", "b10", "c10")

    assert (ended.code, ended.out, ended.err) == (7, "first\nsecond\nthird\n", "")


def test_collect_with_json_prints_one_result_a_line(server: ScriptedServer, swarming: Swarming):
    results = [a_result(task_id=task_id) for task_id in ("a10", "b10")]
    for result in results:
        server.script(f"task/{result['task_id']}/result", result)

    ended = swarming("collect", "--json", "a10", "b10")

    assert [json.loads(line) for line in ended.out.splitlines()] == results


def test_collect_gives_up_after_its_time(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/stdout", an_output("so far\n", 7, "RUNNING"))

    ended = swarming("collect", "--timeout", "0", TASK)

    assert (ended.code, ended.out) == (1, "so far\n")
    assert ended.err == f"swarming: task {TASK} has not ended in the time given: it is RUNNING\n"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_collect_names_a_task_that_there_is_not_and_goes_on(
    server: ScriptedServer, swarming: Swarming, form: tuple[str, ...]
):
    a_finished_task(server, "42\n")
    for call in ("stdout", "result"):
        server.script(f"task/a10/{call}", Answer(404, {"error": {"message": "task_id: there is no such task"}}))

    ended = swarming("collect", *form, "a10", TASK)

    assert (ended.code, ended.err) == (1, "swarming: task a10: there is no such task\n")
    assert ended.json == (a_result() if form else 42)
