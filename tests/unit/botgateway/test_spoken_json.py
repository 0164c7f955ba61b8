"""JSON as bots write it: a name of a file that is no UTF-8 must not keep a bot from being heard."""

import json
from typing import Any

import pytest

from swarming_botgateway.api.spoken import parse_spoken_object
from swarming_common.database import tables
from swarming_common.errors import InvalidInput
from tests.unit.botgateway.world import BASE, World, encoded

LONE = "/mnt/\udcff"
MENDED = "/mnt/\N{REPLACEMENT CHARACTER}"


async def post(world: World, path: str, body: dict[str, Any]) -> Any:
    return await world.http.post(f"{BASE}/{path}", content=json.dumps(body).encode())


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb'{"a": "\udcff"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
        (b'{"a": "\xed\xb3\xbf"}', {"a": "\N{REPLACEMENT CHARACTER}"}),
        (rb'{"\ud800": "\\udcff"}', {"\N{REPLACEMENT CHARACTER}": r"\udcff"}),
        (rb'{"a": ["\uDC00x\uD800", "\ud83d\ude00"]}', {"a": ["\ufffdx\ufffd", "\N{GRINNING FACE}"]}),
        (rb'{"a": "\ud83d\ude00", "b": 1e400}', {"a": "\N{GRINNING FACE}", "b": float("inf")}),
    ],
)
def test_what_is_half_of_a_pair_is_replaced_and_all_else_stays(body, expected):
    assert parse_spoken_object(body) == expected


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", rb'"\udcff"', rb'["\udcff"]', rb'{"a": "\udcff}', b'{"a": "\xff"}', '{"a": 1}'.encode("utf-16"),
        b"[" * 100_000 + rb'"\udcff"', b'{"a":' * 500 + rb'"\udcff"' + b"}" * 500,
    ],
)  # fmt: skip
def test_what_is_no_json_object_is_still_refused(body):
    with pytest.raises(InvalidInput, match="body"):
        parse_spoken_object(body)


async def test_a_bot_with_a_mount_of_a_strange_name_shakes_hands_polls_and_tells(world):
    bot = await world.a_connected_bot()
    bot.state |= {"disks": {LONE: {"free_mb": 1}}, "quarantined": f"{LONE} is full"}

    answers = [
        await post(world, "handshake", bot.word(session_id=bot.process)),
        await post(world, "poll", bot.poll_body()),
        await post(world, "event", bot.word(event="bot_error", message=f"no {LONE}")),
        await post(world, "error", {"id": "bot1", "message": f"no {LONE}"}),
    ]

    assert [one.status_code for one in answers] == [200] * 4
    [row] = await world.rows(tables.bot)
    assert row.state["disks"] == {MENDED: {"free_mb": 1}}
    assert row.quarantined == f"{MENDED} is full"
    assert f"no {MENDED}" in [event.message for event in await world.rows(tables.bot_event)]


async def test_a_task_that_failed_at_a_file_of_a_strange_name_does_not_stay_running(world):
    bot = await world.a_connected_bot()
    run, ended = await world.a_run("bot1"), await world.a_run("bot1")
    about = {"id": "bot1", "task_id": str(run), "session": bot.session}

    failed = await post(world, "task_error", {**about, "message": f"no {LONE}"})
    final = {"exit_code": 0, "duration": 1.0, "output": encoded(b"x"), "output_chunk_start": 0, "bot_overhead": 0.1}
    update = await post(world, "task_update", {**about, **final, "task_id": str(ended), "cleanup_stats": {LONE: 1}})

    assert (failed.status_code, failed.json()) == (200, {})
    assert (update.status_code, update.json()["ok"]) == (200, True)
    reports = {row.kind: row for row in await world.rows(tables.run_report)}
    assert reports["failed"].message == f"no {MENDED}"
    assert reports["finished"].details["cleanup_stats"] == {MENDED: 1}
