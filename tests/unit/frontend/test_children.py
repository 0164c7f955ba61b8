"""Parents and children as callers see them."""

from typing import Any

import pytest

from swarming_common.hints import addresses
from swarming_common.hints.scheduler import ChildSubmitted, TaskSubmitted
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.task_id import parse_task_id
from tests.unit.frontend.builders import a_new_task


async def submitted(frontend, parent: str | None = None, run: int = 1, **fields: Any) -> str:
    if parent is not None:
        fields["parent_task_id"] = f"{parent[:-1]}{run}"
    return (await frontend.post("tasks/new", a_new_task(**fields))).json()["task_id"]


async def children_of(frontend, task_id: str, **query: object) -> list[str]:
    reply = await frontend.get(f"task/{task_id}/children", **query)
    return [one["task_id"] for one in reply.json().get("items", [])]


async def test_children_are_listed_the_newest_first(frontend):
    parent = await submitted(frontend)
    children = [await submitted(frontend, parent) for _ in range(3)]
    await submitted(frontend, children[0])

    assert await children_of(frontend, parent) == sorted(children, reverse=True)
    assert await children_of(frontend, children[1]) == []


async def test_they_are_listed_in_pages(frontend):
    parent = await submitted(frontend)
    children = [await submitted(frontend, parent) for _ in range(3)]

    first = (await frontend.get(f"task/{parent}/children", limit=2)).json()
    rest = (await frontend.get(f"task/{parent}/children", limit=2, cursor=first["cursor"])).json()

    assert [one["task_id"] for one in [*first["items"], *rest["items"]]] == sorted(children, reverse=True)
    assert "cursor" not in rest


async def test_a_run_has_its_own_children(frontend):
    parent = await submitted(frontend)
    of_first, of_second = [await submitted(frontend, parent, run) for run in (1, 2)]

    assert await children_of(frontend, parent[:-1] + "1") == [of_first]
    assert await children_of(frontend, parent[:-1] + "2") == [of_second]
    assert set(await children_of(frontend, parent)) == {of_first, of_second}


async def test_a_task_that_does_not_exist_has_no_list(frontend):
    assert (await frontend.get("task/7c2236638dbfed10/children")).status_code == 404


async def test_whether_a_task_outlives_its_parent_is_stored_and_shown(frontend):
    parent = await submitted(frontend)
    with_it, without_it = await submitted(frontend, parent), await submitted(frontend, parent, outlives_parent=True)

    shown = [(await frontend.get(f"task/{one}/request")).json() for one in (with_it, without_it)]

    assert [one.get("outlives_parent") for one in shown] == [None, True]


@pytest.mark.parametrize(("fields", "is_told"), [({}, True), ({"outlives_parent": True}, False)])
async def test_the_shard_of_the_parent_hears_of_a_child_in_another(frontend, fields, is_told):
    heard: list[Any] = []
    mailbox = await frontend.bus.open_mailbox(heard.append)
    await mailbox.listen(addresses.shard(shard_of_pool("default")))
    parent = await submitted(frontend)

    await submitted(frontend, parent, pool="mac", **fields)
    await submitted(frontend, parent, pool="default", **fields)
    await mailbox.close()

    told = [one for one in heard if isinstance(one, ChildSubmitted)]
    expected = ChildSubmitted(parent_task_id=parse_task_id(parent), shard=shard_of_pool("mac"))
    assert told == ([expected] if is_told else [])
    assert sum(isinstance(one, TaskSubmitted) for one in heard) == 2
