"""Many tasks cancelled at once: which ones, a page at a time, without waiting for anybody's word."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from swarming_common.hints import addresses
from swarming_common.hints.scheduler import CommandsGiven
from swarming_common.hints.wire import Hint
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import format_task_id
from tests.unit.frontend.builders import a_new_task, a_result, a_running_task
from tests.unit.frontend.scripted_shard import commands

NIGHTLY = {"tags": ["purpose:nightly"]}


@pytest.fixture
async def told(frontend) -> AsyncIterator[list[Hint]]:
    """What the shard of the pool was told; nobody answers it."""
    heard: list[Hint] = []
    mailbox = await frontend.bus.open_mailbox(heard.append)
    await mailbox.listen(addresses.shard(shard_of_pool("default")))
    yield heard
    await mailbox.close()


async def submitted(frontend, *tags: str, **fields: Any) -> str:
    reply = await frontend.post("tasks/new", a_new_task(tags=list(tags), **fields))
    return reply.json()["task_id"]


async def commanded(frontend) -> list[str]:
    """The tasks with a command, the newest first."""
    return sorted((format_task_id(row.task_id) for row in await commands(frontend)), reverse=True)


async def test_waiting_tasks_with_all_the_tags_are_cancelled(frontend, told):
    wanted = await submitted(frontend, "purpose:nightly", "os:mac")
    await submitted(frontend, "purpose:nightly")
    await submitted(frontend, "os:mac")

    reply = await frontend.post("tasks/cancel", {"tags": ["purpose:nightly", "os:mac|linux"]})

    assert {key: value for key, value in reply.json().items() if key != "now"} == {"matched": "1"}
    assert await commanded(frontend) == [wanted]
    [row] = await commands(frontend)
    assert (row.kind, row.arguments, row.reply_to) == ("cancel", {"kill_running": False}, None)
    assert sum(isinstance(hint, CommandsGiven) for hint in told) == 1


async def test_running_tasks_are_killed_only_if_that_is_asked_for_and_ended_ones_never(frontend):
    waits, runs, ended = [await submitted(frontend, "purpose:nightly") for _ in range(3)]
    await a_running_task(frontend.database, runs)
    await a_result(frontend.database, ended, state=TaskState.COMPLETED, run_number=1)

    first = await frontend.post("tasks/cancel", NIGHTLY)
    assert (first.json()["matched"], await commanded(frontend)) == ("1", [waits])
    second = await frontend.post("tasks/cancel", NIGHTLY | {"kill_running": True})

    assert second.json()["matched"] == "2"
    killed = [format_task_id(row.task_id) for row in await commands(frontend) if row.arguments["kill_running"]]
    assert set(killed) == {waits, runs}


async def test_a_cursor_leads_through_all_of_them(frontend):
    task_ids = [await submitted(frontend, "purpose:nightly") for _ in range(5)]

    pages: list[Any] = []
    cursor = None
    while not pages or cursor:
        body = NIGHTLY | {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        reply = (await frontend.post("tasks/cancel", body)).json()
        pages.append(int(reply["matched"]))
        cursor = reply.get("cursor")

    assert pages == [2, 2, 1]
    assert await commanded(frontend) == sorted(task_ids, reverse=True)


async def test_start_and_end_are_about_the_creation(frontend):
    await submitted(frontend, "purpose:nightly")
    now = frontend.ports.clock.now().timestamp()

    later = await frontend.post("tasks/cancel", NIGHTLY | {"start": now + 60})
    earlier = await frontend.post("tasks/cancel", NIGHTLY | {"end": now - 60})
    around = await frontend.post("tasks/cancel", NIGHTLY | {"start": now - 60, "end": now + 60})
    far = [await frontend.post("tasks/cancel", NIGHTLY | {"end": end}) for end in (10_053_000_000, 99_999_999_999)]

    assert [one.json()["matched"] for one in (later, earlier, around, *far)] == ["0", "0", "1", "1", "1"]


async def test_tasks_of_several_pools_are_told_to_their_shards(frontend, told):
    for pool in ("default", "mac", "p1"):
        await frontend.post("tasks/new", a_new_task(pool=pool, tags=["purpose:nightly"]))

    await frontend.post("tasks/cancel", NIGHTLY)

    assert {row.shard for row in await commands(frontend)} == {shard_of_pool(one) for one in ("default", "mac", "p1")}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "tags"),
        ({"tags": []}, "tags"),
        ({"tags": ["nightly"]}, "tags[0]"),
        ({"tags": None}, "tags"),
        ({"tags": ["a:b"], "limit": 0}, "limit"),
        ({"tags": ["a:b"], "limit": 1001}, "limit"),
        ({"tags": ["a:b"], "start": "yesterday"}, "start"),
        ({"tags": ["a:b"], "cursor": "nonsense"}, "cursor"),
        ({"tags": ["a:b"], "state": "PENDING"}, "state"),
        ({"tags": ["a:b"], "kill_running": "yes"}, "kill_running"),
    ],
)
async def test_what_makes_no_sense_is_named(frontend, body, field):
    reply = await frontend.post("tasks/cancel", body)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{field}: expected")
