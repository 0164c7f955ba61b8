import asyncio

import pytest

from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import parse_task_id
from swarming_frontend.commands import Commands
from swarming_frontend.replies import Replies
from swarming_frontend.usecases.cancel import Cancel, CancelOutcome, CancelTask, from_rows
from tests.unit.frontend.builders import a_result, a_running_task
from tests.unit.frontend.scripted_shard import commands

KILL = {"kill_running": True}


@pytest.mark.parametrize("ok", [True, False])
async def test_the_answer_is_the_word_of_the_shard(frontend, shard, task_id, ok):
    shard.answer = {"ok": ok, "was_running": not ok}

    reply = await frontend.post(f"task/{task_id}/cancel", KILL)

    assert reply.json() == {"ok": ok, "was_running": not ok}


async def test_the_command_is_written_before_the_shard_is_told(frontend, shard, task_id):
    shard.answer = {"ok": True}

    await frontend.post(f"task/{task_id}/cancel", KILL)

    (row,) = await commands(frontend)
    (hint,) = shard.heard
    assert row.command_id == hint.command_id
    assert (row.kind, row.shard, row.arguments) == ("cancel", shard_of_pool("default"), KILL)
    assert f"{row.task_id:x}0" == task_id
    assert row.given_by == "anonymous:anonymous"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"kill_running":false}', b'{"kill_running":null}'])
async def test_without_being_asked_nothing_running_is_killed(frontend, shard, task_id, body):
    shard.answer = {"ok": True}

    reply = await frontend.client.post(f"/_ah/api/swarming/v1/task/{task_id}/cancel", content=body)

    assert reply.json() == {"ok": True, "was_running": False}
    (row,) = await commands(frontend)
    assert row.arguments == {"kill_running": False}


async def test_without_a_word_the_answer_comes_from_the_rows(frontend, task_id):
    replies = Replies("a frontend that nobody answers")
    giver = Commands(database=frontend.database, bus=frontend.bus, replies=replies, word_seconds=0.01)
    cancel = Cancel(frontend.database, giver)
    asked = CancelTask(task_id=parse_task_id(task_id), kill_running=True, by="me")

    outcome = await cancel(asked, frontend.ports.clock.now())

    assert outcome == CancelOutcome(ok=True, was_running=False)
    assert len(await commands(frontend)) == 1


async def test_a_finished_task_is_not_cancelled(frontend, shard, task_id):
    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, run_number=1)

    reply = await frontend.post(f"task/{task_id}/cancel", KILL)

    assert reply.json() == {"ok": False, "was_running": False}
    assert shard.heard == []


async def test_a_runs_id_cancels_its_task(frontend, shard, task_id):
    await a_running_task(frontend.database, task_id)
    shard.answer = {"ok": True, "was_running": True}

    reply = await frontend.post(f"task/{task_id[:-1]}1/cancel", KILL)

    assert reply.json() == {"ok": True, "was_running": True}


async def test_the_word_for_another_command_is_nobodys(frontend, shard, task_id):
    shard.answer = {"ok": True}
    cancelled = await asyncio.gather(*(frontend.post(f"task/{task_id}/cancel", KILL) for _ in range(10)))

    assert all(one.json()["ok"] for one in cancelled)
    assert len({hint.command_id for hint in shard.heard}) == 10


@pytest.mark.parametrize(
    ("state", "kill_running", "ok", "was_running"),
    [
        (TaskState.PENDING, False, True, False),
        (TaskState.RUNNING, False, False, True),
        (TaskState.RUNNING, True, True, True),
        (TaskState.CANCELED, False, True, False),
        (TaskState.COMPLETED, True, False, False),
    ],
)
def test_what_the_rows_say(state, kill_running, ok, was_running):
    outcome = from_rows(state, kill_running=kill_running)

    assert (outcome.ok, outcome.was_running) == (ok, was_running)
