"""Whatever a bot sends, it gets an answer it understands, and never a 500."""

import json
from typing import Any

import pytest

from swarming_common.database import tables
from tests.unit.botgateway.world import BASE, Bot, World, a_run_id, encoded

VALUES: list[Any] = [
    None, True, -1, 0, 1.5, 2**31, 2**63, 2**70, 10**400, float("nan"), float("inf"),
    "", " ", "x", "a\0b", "é", "\N{PILE OF POO}", "x" * 2000, "not base64!", "AAA",
    [], [None], [1], ["a\0"], [[]], ["x", "x"], [{}],
    {}, {"a\0": 1}, {"id": "bot1"}, {"id": ["bot1"]}, {"x": [2**70]}, {"x": "\0"},
]  # fmt: skip

BODIES: list[bytes] = [
    b"", b"{", b"null", b"[]", b'"text"', b"7", b"{}", b"\xff\xfe", b'{"id":"\\ud800"}', b"[" * 5000,
    b'{"a":' * 5000,
]  # fmt: skip


def valid_bodies(bot: Bot) -> dict[str, dict[str, Any]]:
    run = str(a_run_id())
    about = {"id": bot.bot_id, "task_id": run, "session": bot.session}
    update = {
        "cost_usd": 0.1, "output": encoded(b"x"), "output_chunk_start": 0, "exit_code": 0, "duration": 1.0,
        "hard_timeout": False, "io_timeout": False, "bot_overhead": 0.1, "isolated_stats": {}, "cipd_stats": {},
        "cache_trim_stats": {}, "cleanup_stats": {}, "named_caches_stats": {}, "cipd_pins": {},
        "cas_output_root": {"cas_instance": "i", "digest": {"hash": "h", "size_bytes": 1}}, "canceled": True,
    }  # fmt: skip
    failure = {"missing_cas": [{"digest": "h/1", "instance": "i"}], "missing_cipd": []}
    return {
        "handshake": bot.word(session_id=bot.process),
        "poll": bot.poll_body(force=False),
        "event": bot.word(session=bot.session, event="bot_log", message="x"),
        "task_update": about | update,
        "task_error": about | {"message": "x", "client_error": failure},
        "oauth_token": about | {"account_id": "task", "scopes": ["s"]},
        "id_token": about | {"account_id": "system", "audience": "a"},
    }


ROUTES = ["handshake", "poll", "event", "task_update", "task_error", "oauth_token", "id_token"]


@pytest.mark.parametrize("route", ROUTES)
async def test_every_field_with_every_kind_of_value_gets_an_answer(world, route):
    world.ports.stopping.set()  # no poll is held
    bot = await world.a_connected_bot()
    valid = valid_bodies(bot)[route]

    for field in [*valid, "unknown field"]:
        for value in VALUES:
            answer = await post_raw(world, route, json.dumps(valid | {field: value}).encode())
            check(answer, route, f"{field}={value!r:.40}")
        lacking = {name: value for name, value in valid.items() if name != field}
        check(await post_raw(world, route, json.dumps(lacking).encode()), route, f"no {field}")


@pytest.mark.parametrize("route", ROUTES)
async def test_every_kind_of_broken_body_is_refused_by_name(world, route):
    for body in BODIES:
        answer = await post_raw(world, route, body)
        assert answer.status_code == 400, body[:40]
        check(answer, route, body[:40])


@pytest.mark.parametrize("route", ROUTES)
async def test_what_a_bot_says_of_itself_may_hold_anything(world, route):
    world.ports.stopping.set()
    bot = await world.a_connected_bot()
    valid = valid_bodies(bot)[route]
    for part in ("dimensions", "state"):
        for value in VALUES:
            if part in valid:
                body = valid | {part: {**valid[part], "strange": value}}
                answer = await post_raw(world, route, json.dumps(body).encode())
                check(answer, route, f"{part}.strange={value!r:.40}")
                assert answer.status_code in (200, 400)

    assert all(isinstance(row.dimensions, dict) for row in await world.rows(tables.bot))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"id": None}, "id: expected a text"),
        ({"task_id": "7c2236638dbfed10"}, "task_id: expected a run id"),
        ({"task_id": "nonsense"}, "task_id: expected a run id"),
        ({"cost_usd": -0.1}, "cost_usd: expected at least 0"),
        ({"cost_usd": "1"}, "cost_usd: expected a number"),
        ({"exit_code": 0}, "duration: expected exit_code and duration together"),
        ({"duration": 1}, "exit_code: expected exit_code and duration together"),
        ({"exit_code": 0, "duration": -1}, "duration: expected at least 0"),
        ({"exit_code": "0", "duration": 1}, "exit_code: expected an integer"),
        ({"output": "eA=="}, "output_chunk_start: expected together with output"),
        ({"output": "%%", "output_chunk_start": 0}, "output: expected base64"),
        ({"output": "eAA=A", "output_chunk_start": 0}, "output: expected base64"),
        ({"output": "é", "output_chunk_start": 0}, "output: expected base64"),
        ({"output_chunk_start": -1}, "output_chunk_start: expected at least 0"),
        ({"output_chunk_start": 1.5}, "output_chunk_start: expected an integer"),
        ({"output_chunk_start": 2**70}, "output_chunk_start: expected"),
        ({"isolated_stats": {}}, "bot_overhead: expected together with isolated_stats"),
        ({"cipd_stats": {}}, "bot_overhead: expected together with cipd_stats"),
        ({"cas_output_root": {"cas_instance": "x"}}, "cas_output_root.digest: expected a value"),
        ({"cleanup_stats": {"a": ["\0"]}}, "cleanup_stats.a[0]: expected no NUL"),
    ],
)
async def test_a_wrong_update_is_refused_naming_the_field_and_stores_nothing(world, changed, error):
    bot = await world.a_connected_bot()
    run = await world.a_run("bot1")
    body = {"id": "bot1", "task_id": str(run), "session": bot.session, "cost_usd": 0} | changed

    answer = await world.post("task_update", body)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(error)
    assert await world.rows(tables.run_report) == []


async def test_an_id_in_the_path_that_is_another_is_refused(world):
    run, other = a_run_id(), a_run_id()

    for route in ("task_update", "task_error"):
        answer = await world.post(f"{route}/{other}", {"id": "bot1", "task_id": str(run)})
        assert (answer.status_code, answer.json()["error"][:9]) == (400, "task_id: ")


async def test_an_event_of_an_unknown_name_is_refused(world):
    bot = await world.a_connected_bot()

    answer = await world.post("event", bot.word(event="bot_connected", message="x"))

    assert (answer.status_code, answer.json()["error"][:7]) == (400, "event: ")


@pytest.mark.parametrize("path", [f"{BASE}/nothing", f"{BASE}/poll/", "/elsewhere"])
async def test_an_unknown_path_is_a_404_in_json_so_that_bots_do_not_retry(world, path):
    for answer in (await world.http.get(path), await world.http.post(path, json={})):
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["error"]


async def test_a_wrong_method_is_refused_in_json(world):
    answer = await world.http.get(f"{BASE}/poll")

    assert (answer.status_code, answer.json()["error"][:7]) == (405, "method:")
    assert "POST" in answer.headers["allow"]


async def post_raw(world: World, route: str, body: bytes):
    return await world.http.post(f"{BASE}/{route}", content=body)


def check(answer, route: str, what: object) -> None:
    """Understood, and if it was refused the first word names what was wrong."""
    assert answer.status_code < 500, (route, what, answer.text)
    assert answer.headers["content-type"] == "application/json", (route, what)
    if answer.status_code >= 400:
        error = answer.json()["error"]
        assert ": expected" in error or "expected" in error.split(": ", 1)[1], (route, what, error)
