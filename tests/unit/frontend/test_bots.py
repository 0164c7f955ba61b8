"""What is shown of bots, and what people ask of them."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from swarming_common.database import tables
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.gateway import BotCommandsGiven, BotSettingChanged
from swarming_common.hints.scheduler import TaskSubmitted
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from tests.unit.frontend.builders import NOW, a_bot, a_new_task, a_result, a_run

ME = "anonymous:anonymous"


async def listen(frontend, address: str) -> list[Any]:
    heard: list[Any] = []
    mailbox = await frontend.bus.open_mailbox(heard.append)
    await mailbox.listen(address)
    return heard


async def all_rows(frontend, table) -> list[Any]:
    return await frontend.database.read(lambda c: list(c.execute(select(table)).all()))


async def an_event(frontend, bot_id: str, seconds: float, event_type: str = "bot_log", **columns: Any) -> None:
    row = {
        "bot_event_id": f"{bot_id} {seconds} {event_type}",
        "bot_id": bot_id,
        "created_ts": NOW + timedelta(seconds=seconds),
        "event_type": event_type,
        "version": "v1",
        "external_ip": "10.0.0.1",
        "dimensions": {"id": [bot_id], "pool": ["default"]},
        "state": {"disks": 1},
        **columns,
    }
    await frontend.database.write(lambda c: c.execute(insert(tables.bot_event), [row]))


async def a_finished_run(frontend, seconds: float, bot_id: str = "bot1", **columns: Any) -> str:
    task_id = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]
    started = NOW + timedelta(seconds=seconds)
    moments = {"started_ts": started, "completed_ts": started + timedelta(seconds=0.5)}
    ended: dict[str, Any] = {**moments, "state": TaskState.COMPLETED}
    await a_run(frontend.database, task_id, bot_id=bot_id, **ended | columns)
    return f"{task_id[:-1]}1"


async def every_page(frontend, path: str, limit: int) -> list[list[Any]]:
    pages: list[list[Any]] = []
    cursor: dict[str, str] = {}
    while True:
        reply = (await frontend.get(path, limit=limit, **cursor)).json()
        pages.append(reply.get("items", []))
        if "cursor" not in reply:
            return pages
        cursor = {"cursor": reply["cursor"]}


async def test_a_bot_that_nobody_ever_heard_of_is_not_there(frontend):
    for path in ("get", "tasks", "events"):
        reply = await frontend.get(f"bot/nobody/{path}")
        assert (reply.status_code, reply.headers["content-type"]) == (404, "application/json")
    for path in ("terminate", "delete", "unquarantine", "restart"):
        assert (await frontend.post(f"bot/nobody/{path}", {})).status_code == 404
    assert (await frontend.post("bot/nobody/quarantine", {"reason": "x"})).status_code == 404


async def test_a_deleted_bot_is_shown_from_its_history(frontend):
    await an_event(frontend, "gone", 0, "bot_connected")
    await an_event(frontend, "gone", 5, "bot_deleted", version="v2", quarantined="unfit")

    bot = (await frontend.get("bot/gone/get")).json()

    assert (bot["deleted"], bot["is_dead"], bot["version"]) == (True, True, "v2")
    assert (bot["first_seen_ts"], bot["last_seen_ts"]) == ("2026-11-23T17:08:19.774561", "2026-11-23T17:08:24.774561")
    assert bot["quarantined"]
    assert len((await frontend.get("bot/gone/events")).json()["items"]) == 2


async def test_a_deleted_bot_was_last_seen_when_it_spoke_and_not_when_it_was_deleted(frontend):
    spoke = NOW - timedelta(days=1)
    await an_event(frontend, "gone", 5, "bot_deleted", last_seen_ts=spoke, external_ip="10.0.0.7")

    bot = (await frontend.get("bot/gone/get")).json()

    assert (bot["last_seen_ts"], bot["external_ip"]) == ("2026-11-22T17:08:19.774561", "10.0.0.7")
    assert bot["state"] == '{"disks":1}'


async def test_a_bot_that_said_goodbye_is_dead_at_once(frontend):
    await a_bot(frontend.database, "away", shutdown_ts=datetime.now(UTC))
    await a_bot(frontend.database, "here")

    listed = (await frontend.get("bots/list", is_dead="TRUE")).json()["items"]
    counts = (await frontend.get("bots/count")).json()

    assert [one["bot_id"] for one in listed] == ["away"]
    assert listed[0]["shutdown_ts"]
    assert (counts["count"], counts["dead"]) == ("2", "1")


async def test_the_history_is_what_was_told_and_what_its_runs_say_a_page_at_a_time(frontend):
    await a_bot(frontend.database)
    await an_event(frontend, "bot1", 0, "bot_connected")
    first = await a_finished_run(frontend, 1)
    await an_event(frontend, "bot1", 2, "bot_log", message="hm")
    second = await a_finished_run(frontend, 3, state=TaskState.BOT_DIED, reason="no disk")
    third = await a_finished_run(frontend, 5, state=TaskState.RUNNING, completed_ts=None)
    await an_event(frontend, "bot2", 4)

    for limit in (1, 2, 3, 100):
        events = [one for page in await every_page(frontend, "bot/bot1/events", limit) for one in page]
        assert [(one["event_type"], one.get("task_id")) for one in events] == [
            ("request_task", third),
            ("task_error", second),
            ("request_task", second),
            ("bot_log", None),
            ("task_completed", first),
            ("request_task", first),
            ("bot_connected", None),
        ]
    assert events[1]["message"] == "no disk"
    assert (events[3]["message"], events[3]["state"]) == ("hm", '{"disks":1}')


async def test_the_history_between_two_moments(frontend):
    await a_bot(frontend.database)
    for second in range(5):
        await an_event(frontend, "bot1", second)
    await a_finished_run(frontend, 1.9)
    start, end = ((NOW + timedelta(seconds=one)).timestamp() for one in (2, 4))

    events = (await frontend.get("bot/bot1/events", start=start, end=end)).json()["items"]

    assert [one["event_type"] for one in events] == ["bot_log", "task_completed", "bot_log"]


async def test_events_of_one_moment_are_told_once_each(frontend):
    await a_bot(frontend.database)
    for number in range(5):
        await an_event(frontend, "bot1", 0, f"e{number}")

    pages = await every_page(frontend, "bot/bot1/events", 2)

    assert sorted(one["event_type"] for page in pages for one in page) == ["e0", "e1", "e2", "e3", "e4"]


async def test_the_runs_of_a_bot_a_page_at_a_time(frontend):
    await a_bot(frontend.database)
    runs = [await a_finished_run(frontend, number) for number in range(5)]
    await a_finished_run(frontend, 9, bot_id="bot2")

    pages = await every_page(frontend, "bot/bot1/tasks", 2)

    assert [[one["task_id"] for one in page] for page in pages] == [runs[4:2:-1], runs[2:0:-1], runs[:1]]
    assert "name" not in pages[0][0]


async def test_the_runs_of_a_bot_in_a_state_and_in_another_order(frontend):
    await a_bot(frontend.database)
    good = await a_finished_run(frontend, 0)
    bad = await a_finished_run(frontend, 1, failure=True)
    early_but_long = await a_finished_run(frontend, 2, completed_ts=NOW + timedelta(seconds=99))

    async def found(**query) -> list[str]:
        return [one["task_id"] for one in (await frontend.get("bot/bot1/tasks", **query)).json().get("items", [])]

    assert await found(state="COMPLETED_FAILURE") == [bad]
    assert await found(state="COMPLETED_SUCCESS") == [early_but_long, good]
    assert await found(state="PENDING") == []
    assert await found(sort="COMPLETED_TS") == [early_but_long, bad, good]
    assert await found(sort="ABANDONED_TS") == []
    assert await found(end=(NOW + timedelta(seconds=1)).timestamp()) == [good]


async def test_dimensions_of_all_bots_or_of_a_pools(frontend):
    await a_bot(frontend.database, "a", dimensions={"id": ["a"], "pool": ["p", "q"], "os": ["Linux"]})
    await a_bot(frontend.database, "b", dimensions={"id": ["b"], "pool": ["q"], "os": ["Mac", "Mac-14"]})

    everything = (await frontend.get("bots/dimensions")).json()
    of_p = (await frontend.get("bots/dimensions", pool="p")).json()

    assert everything["bots_dimensions"] == [
        {"key": "os", "value": ["Linux", "Mac", "Mac-14"]},
        {"key": "pool", "value": ["p", "q"]},
    ]
    assert everything["ts"]
    assert of_p["bots_dimensions"] == [{"key": "os", "value": ["Linux"]}, {"key": "pool", "value": ["p", "q"]}]


async def test_a_quarantine_is_shown_and_told_at_once_with_who_why_since_and_until(frontend):
    await a_bot(frontend.database)
    heard = await listen(frontend, addresses.ALL_GATEWAYS)
    until = datetime.now(UTC) + timedelta(hours=1)

    reply = await frontend.post("bot/bot1/quarantine", {"reason": " smoke ", "until_ts": until.timestamp()})
    bot = (await frontend.get("bot/bot1/get")).json()

    assert reply.json() == bot
    assert bot["quarantined"] is True
    about = bot["quarantine"]
    assert (about["reason"], about["by"]) == ("smoke", ME)
    assert abs(datetime.fromisoformat(about["until_ts"]).replace(tzinfo=UTC) - until) < timedelta(milliseconds=1)
    assert about["since_ts"] > "2026"
    assert heard == [BotSettingChanged(bot_id="bot1")]
    assert [one["bot_id"] for one in (await frontend.get("bots/list", quarantined="TRUE")).json()["items"]] == ["bot1"]
    assert (await frontend.get("bots/count")).json()["quarantined"] == "1"


async def test_a_release_ends_what_people_and_the_server_decided_and_not_what_the_bot_says(frontend):
    for bot_id, columns in (("auto", {"auto_quarantined": "fails", "auto_quarantined_ts": NOW - timedelta(days=9)}),
                            ("own", {"quarantined": "no space"}), ("set", {})):  # fmt: skip
        await a_bot(frontend.database, bot_id, **columns)
    await frontend.post("bot/set/quarantine", {"reason": "x"})

    before = (await frontend.get("bots/count")).json()["quarantined"]
    replies = {one: (await frontend.post(f"bot/{one}/unquarantine", {})).json() for one in ("auto", "own", "set")}

    assert before == "3"
    assert {one: reply["quarantined"] for one, reply in replies.items()} == {"auto": False, "own": True, "set": False}
    assert replies["own"]["quarantine"] == {"reason": "no space", "by": "bot"}


async def test_maintenance_is_apart_from_quarantine(frontend):
    await a_bot(frontend.database)

    begun = (
        await frontend.post("bot/bot1/maintenance", {"reason": "a disk", "until_ts": "2999-01-01T00:00:00"})
    ).json()
    quarantined = (await frontend.post("bot/bot1/quarantine", {"reason": "x"})).json()
    ended = (await frontend.post("bot/bot1/end_maintenance", {})).json()

    assert (begun["maintenance_msg"], begun["quarantined"]) == ("a disk", False)
    assert begun["maintenance"]["until_ts"] == "2999-01-01T00:00:00"
    assert (quarantined["maintenance_msg"], quarantined["quarantined"]) == ("a disk", True)
    assert ("maintenance_msg" in ended, ended["quarantined"]) == (False, True)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("quarantine", {}, "reason"),
        ("quarantine", {"reason": "  "}, "reason"),
        ("quarantine", {"reason": "x" * 1001}, "reason"),
        ("quarantine", {"reason": "a\0b"}, "reason"),
        ("quarantine", {"reason": 7}, "reason"),
        ("quarantine", {"reason": "x", "until_ts": 1}, "until_ts"),
        ("quarantine", {"reason": "x", "until_ts": "soon"}, "until_ts"),
        ("quarantine", {"reason": "x", "until_ts": 1e300}, "until_ts"),
        ("quarantine", {"reason": "x", "until_ts": True}, "until_ts"),
        ("maintenance", {"reason": "x", "by": "me"}, "by"),
        ("unquarantine", {"reason": "x"}, "reason"),
        ("terminate", {"wait": True}, "wait"),
        ("delete", {"force": True}, "force"),
        ("restart", [], "body"),
    ],
)
async def test_what_is_wrong_in_a_wish_is_named(frontend, path, body, field):
    await a_bot(frontend.database)

    reply = await frontend.post(f"bot/bot1/{path}", body)

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith(f"{field}:"), reply.text
    assert await all_rows(frontend, tables.bot_setting) == []


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("bot/bot1/events", {"cursor": "eyJ4IjoxfQ"}),
        ("bot/bot1/tasks", {"cursor": "nonsense"}),
        ("bot/bot1/tasks", {"state": "SLEEPING"}),
        ("bot/bot1/events", {"limit": 0}),
        ("bots/dimensions", {"pool": "a\0b"}),
    ],
)
async def test_bad_queries_are_refused(frontend, path, query):
    await a_bot(frontend.database)

    assert (await frontend.get(path, **query)).status_code == 400


async def test_a_termination_is_a_task_for_the_bot_alone_in_the_shard_of_its_first_pool(frontend):
    await a_bot(frontend.database, dimensions={"id": ["bot1"], "pool": ["first", "second"]})
    heard = await listen(frontend, addresses.shard(shard_of_pool("first")))

    task_id = (await frontend.post("bot/bot1/terminate", {"reason": "moves"})).json()["task_id"]

    request = (await frontend.get(f"task/{task_id}/request")).json()
    [hint] = heard
    assert isinstance(hint, TaskSubmitted)
    assert (request["name"], request["priority"]) == ("Terminate bot1: moves", "0")
    assert request["expiration_secs"] == "432000"
    assert request["properties"]["dimensions"] == [{"key": "id", "value": "bot1"}]
    assert request["properties"]["execution_timeout_secs"] == "0"
    assert "command" not in request["properties"]
    assert {"swarming.terminate:1", "rbe:none", "swarming.pool.template:no_pool"} <= set(request["tags"])


async def test_an_order_to_end_that_is_under_way_is_the_answer_until_it_has_ended(frontend):
    await a_bot(frontend.database)

    async def terminate() -> str:
        reply = await frontend.post("bot/bot1/terminate", {})
        task_id: str = reply.json()["task_id"]
        return task_id

    first = await terminate()
    again = await terminate()
    await a_result(frontend.database, first, state=TaskState.RUNNING, run_number=1)
    while_it_runs = await terminate()
    await a_result(frontend.database, first, state=TaskState.COMPLETED, run_number=1)
    after = await terminate()

    assert first == again == while_it_runs
    assert after != first


async def test_ten_who_ask_at_once_get_one_order_to_end(frontend):
    await a_bot(frontend.database)

    replies = await asyncio.gather(*(frontend.post("bot/bot1/terminate", {}) for _ in range(10)))

    assert len({reply.json()["task_id"] for reply in replies}) == 1
    assert len(await all_rows(frontend, tables.task_request)) == 1


async def test_a_deletion_is_asked_of_the_gateways_and_waits_for_their_word(frontend):
    await a_bot(frontend.database)
    asked: list[Any] = []

    def obey(hint: Any) -> None:
        asked.append(hint)
        asyncio.get_running_loop().create_task(answer())

    async def answer() -> None:
        [row] = await all_rows(frontend, tables.command)
        frontend.bus.send(addresses.frontend(row.reply_to), CommandDone(command_id=row.command_id, ok=True))

    mailbox = await frontend.bus.open_mailbox(obey)
    await mailbox.listen(addresses.ALL_GATEWAYS)

    reply = await frontend.post("bot/bot1/delete", {})

    assert (reply.status_code, reply.json()) == (200, {"deleted": True})
    assert asked == [BotCommandsGiven()]
    [row] = await all_rows(frontend, tables.command)
    assert (row.kind, row.bot_id, row.shard, row.task_id, row.given_by) == ("delete_bot", "bot1", None, None, ME)


async def test_all_dead_bots_are_asked_to_be_forgotten_if_they_are_still_dead(frontend):
    old = datetime.now(UTC) - timedelta(seconds=3600)
    for bot_id, columns in (
        ("silent", {"last_seen_ts": old}),
        ("away", {"shutdown_ts": NOW}),
        ("alive", {}),
        ("other", {"last_seen_ts": old, "dimensions": {"id": ["other"], "pool": ["q"]}}),
    ):
        await a_bot(frontend.database, bot_id, **columns)

    reply = await frontend.post("bots/delete_dead", {"dimensions": ["pool:default"]})

    assert reply.json()["matched"] == "2"
    rows = await all_rows(frontend, tables.command)
    assert {row.bot_id for row in rows} == {"silent", "away"}
    limits = [datetime.fromisoformat(row.arguments["unseen_since"]) for row in rows]
    assert all(old < limit < datetime.now(UTC) for limit in limits)
    assert (await frontend.post("bots/delete_dead", {})).json()["matched"] == "3"
    assert (await frontend.post("bots/delete_dead", {"dimensions": ["pool"]})).status_code == 400


async def test_a_restart_is_asked_for(frontend):
    await a_bot(frontend.database)
    heard = await listen(frontend, addresses.ALL_GATEWAYS)

    reply = await frontend.post("bot/bot1/restart", {"reason": "a new kernel"})

    assert reply.json() == {"ok": True}
    [row] = await all_rows(frontend, tables.bot_setting)
    assert (row.restart, row.restart_by, row.restart_ts is None) == ("a new kernel", ME, False)
    assert heard == [BotSettingChanged(bot_id="bot1")]
