"""`swarming tasks`, `task`, `bots` and `cancel` against a scripted server."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from swarming_client.table import table
from tests.unit.client.scripted_server import TASK, Answer, ScriptedServer, a_result

Swarming = Callable[..., Any]
LONG_NAME = "a name that is much longer than any terminal could ever want to show " * 3


def test_tasks_are_listed_whole_when_piped(server: ScriptedServer, swarming: Swarming):
    failed = a_result(exit_code="3", failure=True, name=LONG_NAME.strip(), duration=75.2, user="me")
    server.script("tasks/list", {"items": [failed, a_result("PENDING", task_id="b10")], "now": "x"})

    ended = swarming("tasks")

    header, first, second = ended.out.splitlines()
    assert header.split() == ["ID", "STATE", "EXIT", "CREATED", "(UTC)", "TOOK", "BOT", "USER", "NAME"]
    assert first.startswith(f"{TASK}  COMPLETED (failed)  3")
    assert "2026-11-23 17:08:19" in first
    assert "1m15s" in first
    assert first.endswith(LONG_NAME.strip())
    assert second.startswith("b10")


def test_tasks_are_filtered_by_the_server(server: ScriptedServer, swarming: Swarming):
    server.script("tasks/list", {"now": "x"})

    swarming("tasks", "--state", "timed_out", "--tag", "a:b", "--tag", "c:d", "--limit", "7")

    [asked] = server.asked_for("tasks/list")
    assert asked.query == {"state": ["TIMED_OUT"], "tags": ["a:b", "c:d"], "limit": ["7"]}


def test_tasks_with_json_merges_the_pages(server: ScriptedServer, swarming: Swarming):
    first, second = a_result(task_id="a10"), a_result(task_id="b10")
    server.script("tasks/list", {"items": [first], "cursor": "c", "now": "1"}, {"items": [second], "now": "2"})

    ended = swarming("tasks", "--json", "--limit", "0")

    assert ended.json == {"items": [first, second], "now": "2"}


def test_a_task_is_shown_with_what_was_asked_for(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/result", a_result(started_ts="2026-11-23T17:08:20.627608", duration=2.5))
    properties = {
        "command": ["sh", "-c", "exit 3"],
        "dimensions": [{"key": "pool", "value": "default"}],
        "execution_timeout_secs": "3600",
    }
    server.script(f"task/{TASK}/request", {"name": "hello", "priority": "50", "properties": properties})

    ended = swarming("task", TASK)

    facts = {line[:12].strip(): line[12:].strip() for line in ended.out.splitlines()}
    assert facts["command"] == "sh -c 'exit 3'"
    assert facts["state"] == "COMPLETED"
    assert facts["waited"] == "1.0 s"
    assert facts["may run"] == "1h"
    assert "may be silent" not in facts


def test_a_task_that_waits_for_capacity_is_shown_to_wait_for_a_bot(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/result", a_result())
    server.script(f"task/{TASK}/request", {"name": "hello", "task_slices": [{"wait_for_capacity": True}]})

    ended = swarming("task", TASK)

    assert "waits for a bot  yes" in ended.out.splitlines()


def test_a_task_of_several_slices_is_shown_with_each_of_them_and_which_is_current(
    server: ScriptedServer, swarming: Swarming
):
    slices = [
        {"expiration_secs": secs, "properties": {"command": [name], "dimensions": [{"key": "os", "value": name}]}}
        for name, secs in (("mac", "60"), ("linux", "90"))
    ]
    server.script(f"task/{TASK}/result", a_result("PENDING", current_task_slice="1"))
    server.script(f"task/{TASK}/request", {"name": "hello", "expiration_secs": "150", "task_slices": slices})

    lines = [re.split(r"  +", line) for line in swarming("task", TASK).out.splitlines()]

    first = lines.index(["slice 1", "of 2"])
    assert lines[first : first + 8] == [
        ["slice 1", "of 2"],
        ["command", "mac"],
        ["dimensions", "os=mac"],
        ["may wait", "1m"],
        ["slice 2", "of 2, the current one"],
        ["command", "linux"],
        ["dimensions", "os=linux"],
        ["may wait", "1m30s"],
    ]


def test_a_task_with_json_is_a_task_request_metadata(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/result", a_result())
    server.script(f"task/{TASK}/request", {"name": "hello"})

    ended = swarming("task", "--json", TASK)

    assert ended.json == {"task_id": TASK, "request": {"name": "hello"}, "task_result": a_result()}


def test_bots_are_listed_with_what_they_do(server: ScriptedServer, swarming: Swarming):
    dimensions = [{"key": "id", "value": ["bot1"]}, {"key": "os", "value": ["Linux", "Debian"]}]
    bots = [
        {"bot_id": "bot1", "dimensions": dimensions, "task_id": TASK, "last_seen_ts": "2026-11-23T17:08:19"},
        {"bot_id": "bot2"},
        {"bot_id": "bot3", "is_dead": True},
        {"bot_id": "bot4", "quarantined": True},
        {"bot_id": "bot5", "maintenance_msg": "new disk"},
        {
            "bot_id": "bot6",
            "quarantined": True,
            "quarantine": {"reason": "Traceback …\nValueError: no disk", "by": "bot"},
        },
    ]
    server.script("bots/list", {"items": bots})

    ended = swarming("bots", "-d", "os=Linux", "--no-dead")

    lines = [re.split(r"  +", line) for line in ended.out.splitlines()[1:]]
    states = ["busy", "idle", "dead", "quarantined", "maintenance: new disk", "quarantined: ValueError: no disk"]
    assert [line[1] for line in lines] == states
    assert lines[0] == ["bot1", "busy", TASK, "2026-11-23 17:08:19", "os=Linux|Debian"]
    [asked] = server.asked_for("bots/list")
    assert asked.query == {"dimensions": ["os:Linux"], "is_dead": ["FALSE"], "limit": ["1000"]}


def test_cancel_says_what_came_of_each_task_and_fails_if_one_goes_on(server: ScriptedServer, swarming: Swarming):
    server.script("task/a10/cancel", {"ok": True, "was_running": False})
    server.script("task/b10/cancel", {"ok": False, "was_running": True})

    ended = swarming("cancel", "a10", "b10")

    assert (ended.code, ended.out) == (1, "")
    first, second = ended.err.splitlines()
    assert first == "swarming: task a10: canceled"
    assert "--kill-running" in second
    assert server.asked_for("task/a10/cancel")[0].body == {"kill_running": False}


def test_cancel_names_a_task_that_there_is_not_and_cancels_the_others(server: ScriptedServer, swarming: Swarming):
    server.script("task/a10/cancel", Answer(404, {"error": {"message": "task_id: there is no such task"}}))
    server.script("task/b10/cancel", {"ok": True, "was_running": False})

    ended = swarming("cancel", "--json", "a10", "b10")

    assert (ended.code, ended.json) == (1, {"ok": True, "was_running": False})
    assert ended.err.splitlines() == [
        "swarming: task a10: not canceled: there is no such task",
        "swarming: task b10: canceled",
    ]


def test_cancel_kills_a_running_task_when_told_to(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/cancel", {"ok": True, "was_running": True})

    ended = swarming("cancel", "--kill-running", "--json", TASK)

    assert ended.code == 0
    assert ended.json == {"ok": True, "was_running": True}
    assert server.asked_for(f"task/{TASK}/cancel")[0].body == {"kill_running": True}


def test_a_table_fits_the_terminal_by_cutting_its_widest_column():
    lines = table(("ID", "NAME"), [("abc", "n" * 100), ("def", "short")], width=30)

    assert [len(line) for line in lines] == [9, 30, 10]
    assert lines[1].endswith("…")


def test_a_name_cannot_break_a_table_or_command_the_terminal():
    lines = table(("NAME",), [("a\nb\x1b[2Jc",)])

    assert lines == ["NAME", "a b [2Jc"]
