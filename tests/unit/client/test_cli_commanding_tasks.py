"""`swarming cancel --tag`, `retry`, `priority` and what `task` shows of a family, against a scripted server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.client.scripted_server import LOST, TASK, ScriptedServer, a_result

Swarming = Callable[..., Any]


def test_cancel_by_tags_goes_on_to_the_last_page(server: ScriptedServer, swarming: Swarming):
    server.script("tasks/cancel", {"matched": "1000", "cursor": "c1"}, {"matched": "2"})

    ended = swarming("cancel", "--tag", "a:b", "--tag", "c:d", "--kill-running")

    assert (ended.code, ended.err) == (0, "swarming: 1002 tasks asked to end\n")
    first, second = [asked.body for asked in server.asked_for("tasks/cancel")]
    assert first == {"tags": ["a:b", "c:d"], "kill_running": True, "limit": 1000}
    assert second == first | {"cursor": "c1"}


def test_cancel_by_tags_with_json_is_the_last_page_with_the_sum_of_all(server: ScriptedServer, swarming: Swarming):
    server.script("tasks/cancel", {"matched": "1000", "cursor": "c1", "now": "1"}, {"matched": "2", "now": "2"})

    assert swarming("cancel", "--json", "--tag", "a:b").json == {"matched": "1002", "now": "2"}


def test_an_option_may_stand_between_two_ids(server: ScriptedServer, swarming: Swarming):
    for task_id in ("a10", "b10"):
        server.script(f"task/{task_id}/cancel", {"ok": True, "was_running": True})

    ended = swarming("cancel", "a10", "--kill-running", "b10")

    assert ended.code == 0
    asked = [server.asked_for(f"task/{task_id}/cancel")[0].body for task_id in ("a10", "b10")]
    assert asked == [{"kill_running": True}] * 2


@pytest.mark.parametrize("args", [(), ("a10", "--tag", "a:b")])
def test_cancel_needs_ids_or_tags(server: ScriptedServer, swarming: Swarming, args: tuple[str, ...]):
    ended = swarming("cancel", *args)

    assert ended.code != 0
    assert "either ids or --tag" in ended.err
    assert server.asked == []


def test_retry_prints_the_new_id_and_makes_one_clone_though_an_answer_got_lost(
    server: ScriptedServer, swarming: Swarming
):
    server.script(f"task/{TASK}/retry", LOST, {"task_id": "b10", "request": {}})

    ended = swarming("retry", TASK)

    assert (ended.code, ended.out) == (0, "b10\n")
    first, second = [asked.body["request_uuid"] for asked in server.asked_for(f"task/{TASK}/retry")]
    assert first == second


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ({"ok": True, "priority": "30"}, 0, "priority 30"),
        ({"ok": True, "priority": "40"}, 0, "priority 40, better ones are guarded"),
        ({"ok": False, "priority": "50"}, 1, "still 50, it does not wait any more"),
    ],
)
def test_priority_says_what_it_is_now(
    server: ScriptedServer, swarming: Swarming, answer: dict[str, Any], code: int, said: str
):
    server.script(f"task/{TASK}/priority", answer)

    ended = swarming("priority", TASK, "30")

    assert (ended.code, ended.err) == (code, f"swarming: task {TASK}: {said}\n")
    assert server.asked_for(f"task/{TASK}/priority")[0].body == {"priority": 30}


def test_a_task_is_shown_with_its_parent_its_children_and_its_priority_of_now(
    server: ScriptedServer, swarming: Swarming
):
    server.script(f"task/{TASK}/result", a_result("PENDING", priority="30"))
    server.script(f"task/{TASK}/request", {"name": "hello", "priority": "50", "parent_task_id": "a11"})
    children = [a_result(task_id="c10"), a_result("PENDING", task_id="b10")]
    server.script(f"task/{TASK}/children", {"items": children})

    lines = swarming("task", TASK).out.splitlines()

    facts = {label: text.strip() for label, _, text in (line.partition("  ") for line in lines)}
    assert facts["parent"] == "a11"
    assert facts["children"] == "c10 COMPLETED, b10 PENDING"
    assert facts["priority"] == "30 (asked for: 50)"


def test_a_task_with_very_many_children_shows_some(server: ScriptedServer, swarming: Swarming):
    server.script(f"task/{TASK}/result", a_result())
    server.script(f"task/{TASK}/request", {"name": "hello"})
    server.script(f"task/{TASK}/children", {"items": [a_result(task_id=f"{one:x}10") for one in range(21)]})

    shown = next(line for line in swarming("task", TASK).out.splitlines() if line.startswith("children"))

    assert shown.count("COMPLETED") == 20
    assert shown.endswith(", …")


def test_a_child_is_submitted_with_its_parent(server: ScriptedServer, swarming: Swarming):
    server.script("tasks/new", {"task_id": TASK})

    swarming("trigger", "--parent", "a11", "--outlives-parent", "--", "true")

    [asked] = server.asked_for("tasks/new")
    assert (asked.body["parent_task_id"], asked.body["outlives_parent"]) == ("a11", True)
