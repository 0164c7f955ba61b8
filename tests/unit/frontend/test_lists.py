from datetime import UTC, datetime, timedelta

import pytest

from swarming_common.model.states import TaskState
from tests.unit.frontend.builders import NOW, a_bot, a_new_task, a_result, a_running_task


async def submit(frontend, **fields) -> str:
    return (await frontend.post("tasks/new", a_new_task(**fields))).json()["task_id"]


async def ids(frontend, **query) -> list[str]:
    reply = await frontend.get("tasks/list", **query)
    assert reply.status_code == 200, reply.text
    return [one["task_id"] for one in reply.json().get("items", [])]


async def bot_ids(frontend, **query) -> list[str]:
    reply = await frontend.get("bots/list", **query)
    assert reply.status_code == 200, reply.text
    return [one["bot_id"] for one in reply.json().get("items", [])]


async def test_tasks_come_newest_first_a_page_at_a_time(frontend):
    submitted = [await submit(frontend) for _ in range(5)]
    expected = sorted(submitted, reverse=True)

    pages: list[list[str]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = (await frontend.get("tasks/list", limit=2, **cursor)).json()
        pages.append([one["task_id"] for one in reply["items"]])
        if "cursor" not in reply:
            break
        cursor = {"cursor": reply["cursor"]}

    assert pages == [expected[:2], expected[2:4], expected[4:]]


async def test_an_empty_list_has_no_items_and_no_cursor(frontend):
    assert (await frontend.get("tasks/list")).json().keys() == {"now"}
    assert (await frontend.get("bots/list")).json().keys() == {"now", "death_timeout"}


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        (["a:1"], [0, 1]),
        (["a:1", "b:1"], [0]),
        (["b:1|2"], [0, 1]),
        (["a:1|9", "b:2|3"], [1]),
        (["pool:default"], [0, 1, 2]),
        (["a:2"], []),
        (["a:' OR 1=1"], []),
        (['a:"'], []),
    ],
)
async def test_tags_are_all_needed_and_alternatives_suffice(frontend, tags, found):
    submitted = [
        await submit(frontend, tags=["a:1", "b:1"]),
        await submit(frontend, tags=["a:1", "b:2"]),
        await submit(frontend),
    ]

    assert sorted(await ids(frontend, tags=tags)) == sorted(submitted[one] for one in found)


@pytest.mark.parametrize(
    ("state", "found"),
    [
        ("ALL", {"untaken", "waiting", "running", "good", "bad", "dead"}),
        ("PENDING", {"untaken", "waiting"}),
        ("RUNNING", {"running"}),
        ("PENDING_RUNNING", {"untaken", "waiting", "running"}),
        ("COMPLETED", {"good", "bad"}),
        ("COMPLETED_SUCCESS", {"good"}),
        ("COMPLETED_FAILURE", {"bad"}),
        ("BOT_DIED", {"dead"}),
        ("DEDUPED", set()),
        ("NO_RESOURCE", set()),
    ],
)
async def test_tasks_are_found_by_state(frontend, state, found):
    named = {one: await submit(frontend) for one in ("untaken", "waiting", "running", "good", "bad", "dead")}
    await a_result(frontend.database, named["waiting"], state=TaskState.PENDING)
    await a_running_task(frontend.database, named["running"])
    await a_result(frontend.database, named["good"], state=TaskState.COMPLETED)
    await a_result(frontend.database, named["bad"], state=TaskState.COMPLETED, failure=True)
    await a_result(frontend.database, named["dead"], state=TaskState.BOT_DIED)

    assert set(await ids(frontend, state=state)) == {named[one] for one in found}
    count = (await frontend.get("tasks/count", start=0, state=state)).json()["count"]
    assert count == str(len(found))


async def test_the_time_of_creation_bounds_a_list(frontend):
    task_id = await submit(frontend)
    created = (await frontend.get(f"task/{task_id}/result")).json()["created_ts"]
    moment = datetime.fromisoformat(created).replace(tzinfo=UTC).timestamp()

    assert await ids(frontend, start=moment - 1, end=moment + 1) == [task_id]
    assert await ids(frontend, start=moment) == [task_id]
    assert await ids(frontend, start=moment + 1) == []
    assert await ids(frontend, end=moment) == []
    assert await ids(frontend, start=0) == [task_id]


@pytest.mark.parametrize("far", [10_053_000_000, 99_999_999_999, 253_402_300_799])
async def test_a_bound_beyond_all_tasks_bounds_nothing(frontend, far):
    task_id = await submit(frontend)

    assert await ids(frontend, end=far) == [task_id]
    assert await ids(frontend, start=far) == []
    assert (await frontend.get("tasks/count", start=0, end=far)).json()["count"] == "1"
    for sort in ("COMPLETED_TS", "STARTED_TS"):
        assert await ids(frontend, end=far, sort=sort) == []


async def test_another_order_leaves_out_tasks_without_that_moment(frontend):
    submitted = [await submit(frontend) for _ in range(4)]
    for task_id, seconds in zip(submitted[:3], (5, 9, 5), strict=True):
        ended = NOW + timedelta(seconds=seconds)
        await a_result(frontend.database, task_id, state=TaskState.COMPLETED, completed_ts=ended)
    expected = [submitted[1], *sorted([submitted[0], submitted[2]], reverse=True)]

    first = (await frontend.get("tasks/list", sort="COMPLETED_TS", limit=2)).json()
    rest = (await frontend.get("tasks/list", sort="COMPLETED_TS", limit=2, cursor=first["cursor"])).json()

    assert [one["task_id"] for one in first["items"]] == expected[:2]
    assert [one["task_id"] for one in rest["items"]] == expected[2:]
    assert await ids(frontend, sort="COMPLETED_TS", start=NOW.timestamp() + 6) == [submitted[1]]
    assert await ids(frontend, sort="ABANDONED_TS") == []


async def test_a_cursor_of_another_order_is_refused(frontend):
    for _ in range(2):
        await submit(frontend)
    cursor = (await frontend.get("tasks/list", limit=1)).json()["cursor"]

    reply = await frontend.get("tasks/list", sort="STARTED_TS", cursor=cursor)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("cursor: ")


async def test_states_come_in_the_order_of_the_ids(frontend):
    first, second = await submit(frontend), await submit(frontend)
    await a_running_task(frontend.database, second)

    reply = await frontend.get("tasks/get_states", task_id=[second, first, second])

    assert reply.json() == {"states": ["RUNNING", "PENDING", "RUNNING"]}


async def test_bots_come_by_id_a_page_at_a_time(frontend):
    for bot_id in ("c", "a", "b"):
        await a_bot(frontend.database, bot_id)

    first = (await frontend.get("bots/list", limit=2)).json()
    rest = (await frontend.get("bots/list", limit=2, cursor=first["cursor"])).json()

    assert [one["bot_id"] for one in first["items"]] == ["a", "b"]
    assert [one["bot_id"] for one in rest["items"]] == ["c"]
    assert "cursor" not in rest
    assert first["death_timeout"] == "600"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, {"idle", "busy", "dead", "sick", "tended"}),
        ({"is_dead": "FALSE", "is_busy": "NONE"}, {"idle", "busy", "sick", "tended"}),
        ({"is_dead": "TRUE"}, {"dead"}),
        ({"is_busy": "TRUE"}, {"busy"}),
        ({"is_busy": "FALSE", "is_dead": "FALSE"}, {"idle", "sick", "tended"}),
        ({"quarantined": "TRUE"}, {"sick"}),
        ({"in_maintenance": "TRUE"}, {"tended"}),
        ({"dimensions": ["os:Debian", "pool:default"]}, {"idle", "busy", "dead", "sick", "tended"}),
        ({"dimensions": ["id:idle|busy"]}, {"idle", "busy"}),
        ({"dimensions": ["os:Mac"]}, set()),
        ({"dimensions": ['o"s:Mac']}, set()),
    ],
)
async def test_bots_are_found_by_what_they_are(frontend, query, found):
    task_id = await submit(frontend)
    await a_running_task(frontend.database, task_id, bot_id="busy")
    for bot_id in ("idle", "busy"):
        await a_bot(frontend.database, bot_id)
    await a_bot(frontend.database, "dead", last_seen_ts=datetime.now(UTC) - timedelta(seconds=601))
    await a_bot(frontend.database, "sick", quarantined="disk full")
    await a_bot(frontend.database, "tended", maintenance="cleaning")

    assert set(await bot_ids(frontend, **query)) == found


async def test_bots_are_counted_by_kind(frontend):
    await a_bot(frontend.database, "dead", last_seen_ts=NOW - timedelta(days=1), quarantined="x")
    await a_bot(frontend.database, "idle")

    counts = (await frontend.get("bots/count")).json()

    assert counts.items() >= {"count": "2", "dead": "1", "quarantined": "1", "maintenance": "0", "busy": "0"}.items()
    assert (await frontend.get("bots/count", dimensions="id:idle")).json()["count"] == "1"


async def test_a_bot_shows_its_task(frontend):
    task_id = await submit(frontend)
    await a_bot(frontend.database, "bot1", maintenance="cleaning")
    await a_running_task(frontend.database, task_id)

    bot = (await frontend.get("bot/bot1/get")).json()

    assert (
        bot.items()
        >= {
            "bot_id": "bot1",
            "task_id": task_id[:-1] + "1",
            "task_name": "a task",
            "is_dead": False,
            "quarantined": False,
            "maintenance_msg": "cleaning",
            "state": '{"sleep_streak":1}',
            "deleted": False,
        }.items()
    )
    assert {"key": "os", "value": ["Linux", "Debian"]} in bot["dimensions"]
