from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import parse_task_id
from swarming_frontend.api.encoding import any_json, present, timestamp
from tests.unit.frontend.builders import NOW, a_bot, a_new_task, a_result, a_run, a_running_task


@pytest.fixture
async def task_id(frontend) -> str:
    return (await frontend.post("tasks/new", a_new_task(user="me", tags=["a:b"]))).json()["task_id"]


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 23, 17, 8, 19, tzinfo=UTC), "2026-11-23T17:08:19"),
        (datetime(2026, 11, 23, 17, 8, 19, 774561, tzinfo=UTC), "2026-11-23T17:08:19.774561"),
        (datetime(2026, 11, 23, 17, 8, 19, 1000, tzinfo=UTC), "2026-11-23T17:08:19.001000"),
        (None, None),
    ],
)
def test_a_timestamp_has_no_zone_and_no_zero_fraction(moment, text):
    assert timestamp(moment) == text


def test_what_is_unset_or_empty_stays_away():
    assert present(a=None, b=[], c=(), d=False, e=0.0, f="") == {"d": False, "e": 0.0, "f": ""}


def test_integers_in_free_form_are_strings_and_nulls_stay_away():
    assert any_json({"a": 1, "b": None, "c": [True, 2, {"d": 1.5}]}) == {
        "a": "1",
        "c": [True, "2", {"d": 1.5}],
    }


async def test_a_task_that_nobody_took_in_is_pending(frontend, task_id):
    result = (await frontend.get(f"task/{task_id}/result")).json()

    assert result["state"] == "PENDING"
    assert not {"run_id", "bot_id", "started_ts", "exit_code", "duration", "costs_usd"} & result.keys()


async def test_a_finished_task_shows_its_run(frontend, task_id):
    ended: dict[str, Any] = {
        "completed_ts": NOW + timedelta(seconds=13),
        "exit_code": 3,
        "duration": 11.25,
        "failure": True,
    }
    await a_result(
        frontend.database,
        task_id,
        state=TaskState.COMPLETED,
        run_number=2,
        bot_id="bot1",
        started_ts=NOW,
        **ended,
    )
    await a_run(frontend.database, task_id, number=1, state=TaskState.BOT_DIED, cost_usd=0.5)
    await a_run(
        frontend.database,
        task_id,
        number=2,
        state=TaskState.COMPLETED,
        cost_usd=0.25,
        bot_idle_since_ts=NOW,
        details={"bot_overhead": 0.5, "isolated_stats": {"download": {"initial_size": 3}}},
        **ended,
    )

    result = (await frontend.get(f"task/{task_id}/result", include_performance_stats="true")).json()

    run_id = task_id[:-1] + "2"
    assert (
        result.items()
        >= {
            "task_id": task_id,
            "run_id": run_id,
            "state": "COMPLETED",
            "name": "a task",
            "user": "me",
            "started_ts": "2026-11-23T17:08:19.774561",
            "completed_ts": "2026-11-23T17:08:32.774561",
            "bot_id": "bot1",
            "bot_version": "v1",
            "bot_dimensions": [{"key": "id", "value": ["bot1"]}, {"key": "pool", "value": ["default"]}],
            "bot_idle_since_ts": "2026-11-23T17:08:19.774561",
            "exit_code": "3",
            "duration": 11.25,
            "failure": True,
            "internal_failure": False,
            "costs_usd": [0.5, 0.25],
            "current_task_slice": "0",
            "performance_stats": {"bot_overhead": 0.5, "isolated_download": {"initial_size": "3"}},
        }.items()
    )
    assert "abandoned_ts" not in result
    for unasked in ({}, {"include_performance_stats": "false"}):
        plain = (await frontend.get(f"task/{task_id}/result", **unasked)).json()
        assert "performance_stats" not in plain


async def test_lists_of_tasks_and_of_a_bots_runs_have_the_stats_if_asked_for(frontend, task_id):
    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, run_number=1, bot_id="bot1")
    await a_run(frontend.database, task_id, state=TaskState.COMPLETED, details={"bot_overhead": 0.5})
    await a_bot(frontend.database)

    for path in ("tasks/list", "bot/bot1/tasks"):
        [asked] = (await frontend.get(path, include_performance_stats="true")).json()["items"]
        [plain] = (await frontend.get(path)).json()["items"]
        assert asked["performance_stats"] == {"bot_overhead": 0.5}
        assert "performance_stats" not in plain


async def test_a_deduped_task_has_no_stats_since_no_bot_worked_for_it(frontend, task_id):
    twin = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]
    await a_run(frontend.database, twin, state=TaskState.COMPLETED, details={"bot_overhead": 0.5})
    of_twin = {"deduped_task_id": parse_task_id(twin), "deduped_run_number": 1}
    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, bot_id="bot1", **of_twin)

    result = (await frontend.get(f"task/{task_id}/result", include_performance_stats="true")).json()

    assert result["deduped_from"] == twin[:-1] + "1"
    assert "performance_stats" not in result


async def test_a_runs_id_gives_that_run_without_what_is_the_tasks(frontend, task_id):
    await a_running_task(frontend.database, task_id)
    await a_run(frontend.database, task_id, number=1, state=TaskState.BOT_DIED, internal_failure=True, bot_id="bot0")
    run_id = task_id[:-1] + "1"

    result = (await frontend.get(f"task/{run_id}/result")).json()

    assert (result["task_id"], result["run_id"]) == (run_id, run_id)
    assert (result["state"], result["bot_id"], result["internal_failure"]) == ("BOT_DIED", "bot0", True)
    assert not {"name", "tags", "user"} & result.keys()


async def test_the_request_can_be_read_by_a_runs_id(frontend, task_id):
    by_task = await frontend.get(f"task/{task_id}/request")
    by_run = await frontend.get(f"task/{task_id[:-1]}1/request")

    assert by_task.json() == by_run.json()
    assert by_task.json()["task_id"] == task_id
