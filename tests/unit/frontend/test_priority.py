"""Another priority for a task that waits: the answer, and what is asked of the scheduler."""

import pytest

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import parse_task_id
from swarming_frontend.commands import Commands
from swarming_frontend.replies import Replies
from swarming_frontend.usecases.set_priority import PriorityOutcome, Reprioritize, SetPriority
from tests.unit.frontend.builders import a_new_task, a_result, a_running_task
from tests.unit.frontend.scripted_shard import Shard, commands


async def test_the_answer_is_the_word_of_the_shard(frontend, shard: Shard, task_id: str):
    shard.answer = {"ok": True, "priority": 30}

    reply = await frontend.post(f"task/{task_id}/priority", {"priority": 30})

    assert reply.json() == {"ok": True, "priority": "30"}
    [row] = await commands(frontend)
    assert (row.kind, row.arguments, row.given_by) == ("priority", {"priority": 30}, "anonymous:anonymous")


async def test_a_guarded_priority_is_raised(frontend, shard: Shard, task_id: str):
    shard.answer = {"ok": True, "priority": 20}

    await frontend.post(f"task/{task_id}/priority", {"priority": "5"})

    [row] = await commands(frontend)
    assert row.arguments == {"priority": 20}


async def test_a_task_that_does_not_wait_any_more_keeps_its_priority(frontend, shard: Shard, task_id: str):
    await a_running_task(frontend.database, task_id)

    reply = await frontend.post(f"task/{task_id}/priority", {"priority": 30})

    assert reply.json() == {"ok": False, "priority": "100"}
    assert await commands(frontend) == []


async def test_the_shard_may_know_better_than_the_rows(frontend, shard: Shard, task_id: str):
    shard.answer = {"ok": False}

    reply = await frontend.post(f"task/{task_id}/priority", {"priority": 30})

    assert reply.json() == {"ok": False, "priority": "100"}


async def test_without_a_word_the_row_makes_sure(frontend, task_id: str):
    silent = Commands(
        database=frontend.database, bus=frontend.bus, replies=Replies("nobody answers this one"), word_seconds=0.01
    )
    reprioritize = Reprioritize(frontend.database, silent, guarded_priority=20)
    asked = SetPriority(task_id=parse_task_id(task_id), priority=30, by="me")

    outcome = await reprioritize(asked, frontend.ports.clock.now())

    assert outcome == PriorityOutcome(ok=True, priority=30)
    assert len(await commands(frontend)) == 1


async def test_the_result_shows_the_priority_of_now_and_the_request_the_one_asked_for(frontend, task_id: str):
    await a_result(frontend.database, task_id, state=TaskState.PENDING, priority=30)

    result = (await frontend.get(f"task/{task_id}/result")).json()
    request = (await frontend.get(f"task/{task_id}/request")).json()

    assert (result["priority"], request["priority"]) == ("30", "100")


async def test_a_child_is_better_than_what_its_parent_has_now(frontend, task_id: str):
    await a_result(frontend.database, task_id, state=TaskState.RUNNING, priority=30, run_number=1)

    child = await frontend.post("tasks/new", a_new_task(priority=100, parent_task_id=task_id[:-1] + "1"))

    assert child.json()["request"]["priority"] == "29"


@pytest.mark.parametrize("body", [{}, {"priority": 256}, {"priority": -1}, {"priority": "high"}, {"priority": None}])
async def test_what_is_no_priority_is_refused(frontend, task_id: str, body: dict[str, object]):
    reply = await frontend.post(f"task/{task_id}/priority", body)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("priority: expected")


async def test_zero_is_for_terminations(start_frontend):
    async with start_frontend(guarded_priority=0) as frontend:
        task_id = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]

        reply = await frontend.post(f"task/{task_id}/priority", {"priority": 0})

        assert (reply.status_code, "terminations" in reply.text) == (400, True)


async def test_a_task_that_does_not_exist_has_no_priority(frontend):
    reply = await frontend.post("task/7c2236638dbfed10/priority", {"priority": 30})

    assert reply.status_code == 404
