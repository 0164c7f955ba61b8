"""`swarming why` against a scripted server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.unit.client.scripted_server import TASK, Answer, ScriptedServer

Swarming = Callable[..., Any]

PENDING = {
    "task_id": TASK,
    "state": "PENDING",
    "now": "2026-11-23T17:08:19",
    "summary": "No bot has all that it asks for.",
    "reasons": [
        {"kind": "no_match", "text": "No bot has all that it asks for: os=Windows, pool=default."},
        {"kind": "near_miss", "text": "3 bots match all but os=Windows; they have os=Linux."},
        {"kind": "queue", "text": "It is next in its queue."},
    ],
    "source": "scheduler",
    "rank": "1",
    "queue_length": "2",
    "expiration_ts": "2026-11-23T18:08:19",
    "current_task_slice": "0",
    "dimensions": [{"key": "os", "value": "Windows"}, {"key": "pool", "value": "default"}],
    "bots": {"idle": "0", "busy": "0", "maintenance": "0", "quarantined": "0", "dead": "7"},
    "example_bots": {"dead": ["win-1", "win-2"]},
    "nearest_misses": [
        {
            "count": "3",
            "missing": [{"key": "os", "value": "Windows"}],
            "examples": ["bot-1", "bot-2", "bot-3"],
            "text": "3 bots match all but os=Windows; they have os=Linux",
        }
    ],
    "later_slices": [
        {
            "task_slice": "1",
            "dimensions": [{"key": "pool", "value": "default"}],
            "bots": {"idle": "3", "busy": "0", "maintenance": "0", "quarantined": "0", "dead": "7"},
        }
    ],
    "expected_start": {"text": "unknown", "basis": "no bot that is fit for work matches"},
}


def test_a_pending_task_is_explained(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/why", PENDING)

    ended = swarming("why", TASK)

    assert ended.code == 0
    assert ended.out.splitlines() == [
        "PENDING: No bot has all that it asks for.",
        "",
        "asks for  os=Windows pool=default",
        "notes     It is next in its queue.",
        "bots      0 idle, 0 busy, 0 in maintenance, 0 quarantined, 7 dead",
        "          dead: win-1, win-2 and 5 more",
        "          3 bots match all but os=Windows; they have os=Linux (bot-1, bot-2, bot-3)",
        "slice 2   asks for pool=default: 3 idle, 0 busy, 0 in maintenance, 0 quarantined, 7 dead",
        "start     unknown (no bot that is fit for work matches)",
        "expires   2026-11-23 18:08:19 UTC",
    ]


def test_a_task_that_is_not_pending_is_one_line(server: ScriptedServer, swarming: Swarming):
    text = "It is not pending: it has been running on bot-1 for 5 s."
    running = {"task_id": TASK, "state": "RUNNING", "summary": text, "reasons": [{"kind": "running", "text": text}]}
    server.script(f"task/{TASK}/why", running)

    assert swarming("why", TASK).out == f"RUNNING: {text}\n"


def test_with_json_the_answer_is_the_servers_own(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/why", PENDING)

    assert swarming("why", "--json", TASK).json == PENDING


def test_names_cannot_command_the_terminal(server: ScriptedServer, swarming: Swarming):
    evil = "\x1b[2Jbot\n"
    server.script(f"task/{TASK}/why", PENDING | {"summary": evil, "example_bots": {"dead": [evil]}})

    assert "\x1b" not in swarming("why", TASK).out


def test_an_unknown_task_fails(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/why", Answer(404, {"error": {"message": "task_id: there is no such task"}}))

    ended = swarming("why", TASK)

    assert (ended.code, ended.out) == (1, "")
    assert "there is no such task" in ended.err
