"""All routes × kinds of bad input: always a 4xx in JSON that names the field, never a 500."""

import copy
import json
from collections.abc import AsyncIterator
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.parse import parse_qsl

import pytest
import pytest_asyncio

from swarming_common.database.sqlite import FILE_NAME
from swarming_common.model.states import TaskState
from tests.unit.frontend.builders import a_new_task, a_result
from tests.unit.frontend.conftest import Frontend, open_frontend

pytestmark = pytest.mark.asyncio(loop_scope="module")

UNKNOWN = "7c2236638dbfed10"

TASK_GETS = ["task/{}/result", "task/{}/request", "task/{}/stdout"]
LISTS = ["tasks/list", "tasks/count?start=0", "tasks/get_states?task_id=" + UNKNOWN, "bots/list", "bots/count"]
GETS = [*LISTS, *(one.format(UNKNOWN) for one in TASK_GETS), "bot/bot1/get"]
POSTS = ["tasks/new", f"task/{UNKNOWN}/cancel"]
SCRIPTS = ["server/bot_config", "server/bootstrap"]
MORE_GETS = [
    *("bots/dimensions", "bot/bot1/tasks", "bot/bot1/events", "server/details"),
    *(f"task/{UNKNOWN}/{what}" for what in ("children", "why")),
    *(f"{script}/{what}" for script in SCRIPTS for what in ("versions", "versions/1", "diff")),
    *("server/get_bot_config", "server/get_bootstrap", "server/bot_archive/versions"),
]
MORE_POSTS = [
    *(f"task/{UNKNOWN}/{what}" for what in ("retry", "priority")),
    *(f"bot/bot1/{what}" for what in ("terminate", "delete", "restart", "quarantine", "unquarantine")),
    *("bot/bot1/maintenance", "bot/bot1/end_maintenance", "bots/delete_dead", "tasks/cancel", "server/token"),
    *(f"{kind}/revert" for kind in (*SCRIPTS, "server/bot_archive")),
]
MOUNTS = ["/api/swarming/v1/", "/_ah/api/swarming/v1/"]

BAD_NUMBERS = ["x", "", "-1", "1.5", "99999999999999999999", "\0"]
BAD_SECONDS = ["x", "", "-1", "nan", "inf", "1e300"]
BAD_CHOICES = ["", "pending", "NOBODY", "0", "\0"]
BAD_PAIRS = ["", "x", ":", "a:", ":a", "a:\0", "a:" + "b" * 1024]

BAD_QUERIES: list[tuple[str, str, list[str]]] = [
    ("tasks/list", "limit", [*BAD_NUMBERS, "0", "1001"]),
    ("tasks/list", "cursor", ["x", "!", "e30", "bnVsbA", "\0", "é"]),
    ("tasks/list", "start", BAD_SECONDS),
    ("tasks/list", "end", BAD_SECONDS),
    ("tasks/list", "state", BAD_CHOICES),
    ("tasks/list", "sort", BAD_CHOICES),
    ("tasks/list", "tags", BAD_PAIRS),
    ("tasks/list", "include_performance_stats", ["x", "2", ""]),
    ("tasks/count", "start", BAD_SECONDS),
    ("tasks/count?start=0", "tags", BAD_PAIRS),
    ("tasks/count?start=0", "state", BAD_CHOICES),
    ("tasks/get_states", "task_id", ["", "x", "\0", UNKNOWN[:-2] + "20"]),
    (f"task/{UNKNOWN}/result", "wait_secs", [*BAD_SECONDS, "21"]),
    (f"task/{UNKNOWN}/stdout", "wait_secs", [*BAD_SECONDS, "21"]),
    (f"task/{UNKNOWN}/stdout", "offset", BAD_NUMBERS),
    (f"task/{UNKNOWN}/stdout", "length", BAD_NUMBERS),
    ("bots/list", "limit", BAD_NUMBERS),
    ("bots/list", "cursor", ["x", "!", "e30", "\0"]),
    ("bots/list", "dimensions", BAD_PAIRS),
    *(("bots/list", name, BAD_CHOICES) for name in ("quarantined", "in_maintenance", "is_dead", "is_busy")),
    ("bots/count", "dimensions", BAD_PAIRS),
]

BAD_BODIES = [
    b"",
    b" ",
    b"not JSON",
    b"[]",
    b"null",
    b'"text"',
    b"1",
    b"{",
    b'{"name":"\xff"}',
    b'{"name":"\\ud800"}',
    b'{"name":"\\ud800\\u0041"}',
    b'{"name":"a\0b"}',
    b"[" * 100_000,
    b"1" * 10_000,
]

WEIRD = [{}, [], [None], [{}], [[]], "", "x", "a\0b", 1.5, -1, 2**70, "9" * 30, True, {"key": 1}, "é" * 5000]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def frontend(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Frontend]:
    """One for the whole walk: bad input leaves nothing behind."""
    folder = tmp_path_factory.mktemp("walk")
    copyfile(migrated_file, folder / FILE_NAME)
    async with open_frontend(folder) as started:
        yield started


def assert_refused(reply, status: int, field: str | None = None) -> None:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/json"
    message = reply.json()["error"]["message"]
    if field is not None:
        assert message.startswith(f"{field}"), message
        assert ": expected " in message, message


@pytest.mark.parametrize("mount", MOUNTS)
async def test_an_unknown_route_is_a_404_in_json(frontend, mount):
    for path in ["", "nothing", "tasks", "task/x", f"task/{UNKNOWN}", "tasks/new/x", "bot/a/b/get"]:
        assert_refused(await frontend.client.get(mount + path, headers={"accept": "text/html"}), 404)
        assert_refused(await frontend.client.post(mount + path, json={}), 404)


@pytest.mark.parametrize("mount", MOUNTS)
async def test_a_wrong_method_is_a_405_that_names_the_right_one(frontend, mount):
    for path in GETS:
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            reply = await frontend.client.request(method, mount + path)
            assert_refused(reply, 405)
            assert "GET" in reply.headers["allow"]
    for path in POSTS:
        reply = await frontend.client.get(mount + path)
        assert_refused(reply, 405)
        assert "POST" in reply.headers["allow"]


async def test_a_wrong_method_is_a_405_also_for_what_people_ask_of_bots_and_uploads(frontend):
    for paths, right, wrong in (
        (MORE_GETS, "GET", ("POST", "PUT", "DELETE", "PATCH")),
        (MORE_POSTS, "POST", ("GET", "PUT", "DELETE", "PATCH")),
        (SCRIPTS, "GET", ("PUT", "DELETE", "PATCH")),
    ):
        for path in paths:
            for method in wrong:
                reply = await frontend.client.request(method, f"{MOUNTS[0]}{path}")
                assert_refused(reply, 405)
                assert right in reply.headers["allow"]


@pytest.mark.parametrize("path", [*MORE_POSTS, *SCRIPTS])
async def test_no_route_breaks_at_a_strange_body(frontend, path):
    for body in BAD_BODIES:
        if body.strip() and path != "server/token":  # which has no fields, and reads none
            reply = await frontend.client.post(MOUNTS[0] + path, content=body)
            assert_refused(reply, 400)
    for weird in WEIRD:
        for name in ("content", "version", "reason", "until", "priority", "tags", "kill_running", "nothing"):
            reply = await frontend.client.post(MOUNTS[0] + path, content=json.dumps({name: weird}).encode())
            assert reply.status_code in (200, 400, 404, 409), (path, name, weird, reply.text)
            if reply.status_code != 200:
                assert_refused(reply, reply.status_code)


@pytest.mark.parametrize("path", MORE_GETS)
async def test_no_route_breaks_at_a_strange_parameter(frontend, path):
    for name in ("limit", "cursor", "from", "to", "start", "end", "state", "sort", "dimensions", "nothing"):
        for value in ("", "x", "-1", "nan", "1e300", "\0", "é", "9" * 30):
            reply = await frontend.client.get(MOUNTS[0] + path, params={name: value})
            assert reply.status_code in (200, 400, 404), (path, name, value, reply.text)
            if reply.status_code != 200:
                assert_refused(reply, reply.status_code)


async def test_an_unknown_thing_is_a_404(frontend):
    for path in [*(one.format(UNKNOWN) for one in TASK_GETS), "bot/nobody/get"]:
        assert_refused(await frontend.get(path), 404)
        assert_refused(await frontend.get(path.replace(UNKNOWN, UNKNOWN[:-1] + "1")), 404)
    assert_refused(await frontend.post(f"task/{UNKNOWN}/cancel", {}), 404)
    assert_refused(await frontend.get("tasks/get_states", task_id=UNKNOWN), 404)


@pytest.mark.parametrize("task_id", ["x", "7C2236638DBFED10", "7c2236638dbfed00", "f" * 17, "%00", "1", "-1", "%C3%A9"])
async def test_what_is_no_task_id_is_a_400(frontend, task_id):
    for path in TASK_GETS:
        assert_refused(await frontend.get(path.format(task_id)), 400, "task_id")
    assert_refused(await frontend.post(f"task/{task_id}/cancel", {}), 400, "task_id")


async def test_a_bot_id_with_a_nul_is_a_400(frontend):
    assert_refused(await frontend.get("bot/a%00b/get"), 400, "bot_id")


@pytest.mark.parametrize(("path", "name", "values"), BAD_QUERIES)
async def test_a_wrong_parameter_is_named(frontend, path, name, values):
    bare, _, required = path.partition("?")
    for value in values:
        reply = await frontend.get(bare, **{**dict(parse_qsl(required)), name: value})

        assert_refused(reply, 400, name)


async def test_unknown_parameters_are_tolerated(frontend):
    for path in ["tasks/list", "bots/list", "bots/count"]:
        assert (await frontend.get(path, limit=200, whatever="x")).status_code == 200


async def test_too_many_filters_are_refused(frontend):
    assert_refused(await frontend.get("tasks/list", tags=["a:b"] * 33), 400, "tags")


async def test_tags_allow_no_other_order(frontend):
    assert_refused(await frontend.get("tasks/list", tags="a:b", sort="STARTED_TS"), 400, "sort")


async def test_a_missing_parameter_is_named(frontend):
    assert_refused(await frontend.get("tasks/count"), 400, "start")
    assert_refused(await frontend.get("tasks/get_states"), 400, "task_id")


@pytest.mark.parametrize("body", BAD_BODIES, ids=lambda body: repr(body[:20]))
async def test_a_body_that_is_no_json_object_is_refused(frontend, body):
    for path in POSTS:
        if path != "tasks/new" and not body.strip():
            continue  # cancelling needs no body
        reply = await frontend.client.post("/api/swarming/v1/" + path, content=body)
        assert_refused(reply, 400, "body" if b"name" not in body or b"\xff" in body or b"ud800" in body else None)


async def test_a_body_over_the_limit_is_a_413(start_frontend):
    async with start_frontend(max_body_bytes=2000) as frontend:
        for path in POSTS:
            assert_refused(await frontend.post(path, {"name": "n" * 2000}), 413, "body")

        async def in_pieces():
            for _ in range(3):
                yield b" " * 1000

        reply = await frontend.client.post("/api/swarming/v1/tasks/new", content=in_pieces())
        assert_refused(reply, 413, "body")


async def test_a_nul_in_any_text_is_refused_and_named(frontend):
    bad: list[tuple[dict[str, Any], str]] = [
        ({"name": "a\0"}, "name"),
        ({"tags": ["a:b", "c:\0"]}, "tags[1]"),
        ({"user": "\0"}, "user"),
        ({"request_uuid": "\0"}, "request_uuid"),
    ]
    for fields, field in bad:
        assert_refused(await frontend.post("tasks/new", a_new_task(**fields)), 400, field)
    command = a_new_task(properties={"command": ["a", "b\0"]})
    reply = await frontend.post("tasks/new", command)
    assert_refused(reply, 400, "task_slices[0].properties.command[1]")


async def test_an_escaped_backslash_before_u0000_is_no_nul(frontend):
    reply = await frontend.post("tasks/new", a_new_task(name="\\u0000"))

    assert reply.status_code == 200
    assert reply.json()["request"]["name"] == "\\u0000"


@pytest.mark.parametrize(
    ("dimensions", "field"),
    [
        ({"pool": "default"}, "dimensions"),
        (["pool=default"], "dimensions[0]"),
        ([{"key": "pool", "value": ["default"]}], "dimensions[0].value"),
        ([{"key": "pool"}], "dimensions[0].value"),
    ],
)
async def test_who_gets_dimensions_wrong_is_shown_the_right_form(frontend, dimensions, field):
    reply = await frontend.post("tasks/new", a_new_task(properties={"dimensions": dimensions}))

    assert reply.status_code == 400
    message = reply.json()["error"]["message"]
    assert message.startswith(f"task_slices[0].properties.{field}: expected ")
    assert message.endswith('dimensions are like [{"key": "pool", "value": "default"}]')


async def test_unknown_fields_are_refused_and_named(frontend):
    assert_refused(await frontend.post("tasks/new", a_new_task(naem="x")), 400, "naem")
    inner = a_new_task(properties={"comand": []})
    assert_refused(await frontend.post("tasks/new", inner), 400, "task_slices[0].properties.comand")
    old = a_new_task(properties={"inputs_ref": {"isolated": "x"}})
    assert_refused(await frontend.post("tasks/new", old), 400, "task_slices[0].properties.inputs_ref")
    assert_refused(await frontend.post(f"task/{UNKNOWN}/cancel", {"kill": True}), 400, "kill")


@pytest.mark.parametrize("field", ["name", "task_slices"])
async def test_a_missing_field_is_named(frontend, field):
    task = a_new_task()
    del task[field]

    assert_refused(await frontend.post("tasks/new", task), 400, field)


@pytest.mark.parametrize("field", ["command", "dimensions", "execution_timeout_secs"])
async def test_a_missing_property_is_named(frontend, field):
    task = a_new_task()
    del task["task_slices"][0]["properties"][field]

    assert_refused(await frontend.post("tasks/new", task), 400, f"task_slices[0].properties.{field}")


EVERYTHING = a_new_task(
    priority=100,
    tags=["a:b"],
    user="u",
    service_account="bot",
    realm="r",
    resultdb={"enable": True},
    parent_task_id="",
    pool_task_template="AUTO",
    bot_ping_tolerance_secs=600,
    request_uuid="",
    evaluate_only=False,
    pubsub_topic="t",
    pubsub_auth_token="t",
    pubsub_userdata="d",
    properties={
        "relative_cwd": "a",
        "env": [{"key": "A", "value": "b"}],
        "env_prefixes": [{"key": "A", "value": ["b"]}],
        "io_timeout_secs": 60,
        "grace_period_secs": 30,
        "idempotent": True,
        "caches": [{"name": "a", "path": "b"}],
        "data": [{"url": "http://h/a.zip", "file": "a.zip"}],
        "cipd_input": {
            "server": "s",
            "client_package": {"package_name": "c", "version": "v:1", "path": "p"},
            "packages": [{"package_name": "c", "version": "v:1", "path": "p"}],
        },
        "cas_input_root": {"cas_instance": "i", "digest": {"hash": "h", "size_bytes": 1}},
        "outputs": ["o"],
        "secret_bytes": "AAAA",
        "containment": {"containment_type": "AUTO"},
    },
)


def paths_in(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner: list[tuple[str | int, ...]] = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in items:
        inner += paths_in(one, (*path, key))
    return inner


def replaced(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    task = copy.deepcopy(EVERYTHING)
    place: Any = task
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return task


async def test_everything_at_once_is_accepted(frontend):
    reply = await frontend.post("tasks/new", EVERYTHING)

    assert reply.status_code == 200, reply.text
    request = await frontend.get(f"task/{reply.json()['task_id']}/request")
    assert request.json() == reply.json()["request"]
    assert "null" not in request.text


@pytest.mark.parametrize("path", paths_in(EVERYTHING), ids=lambda path: ".".join(map(str, path)))
async def test_no_field_with_a_weird_value_is_ever_a_500(frontend, path):
    for value in WEIRD:
        reply = await frontend.client.post(
            "/api/swarming/v1/tasks/new", content=json.dumps(replaced(path, value)).encode()
        )

        if reply.status_code != 200:
            assert_refused(reply, 400, str(path[0]))
        if isinstance(value, str) and "\0" in value:
            assert reply.status_code == 400


@pytest.mark.parametrize("path", [one for one in paths_in(EVERYTHING) if isinstance(one[-1], str)], ids=str)
async def test_null_means_unset_in_every_field(frontend, path):
    reply = await frontend.post("tasks/new", replaced(path, None))

    assert reply.status_code == 200 or reply.json()["error"]["message"].startswith(str(path[0]))


async def test_a_database_that_is_away_is_a_503_with_a_time_to_come_back(start_frontend):
    async with start_frontend() as frontend:
        await frontend.database.close()

        for path in [*LISTS, f"task/{UNKNOWN}/result", f"task/{UNKNOWN}/stdout", "bot/bot1/get"]:
            reply = await frontend.client.get("/api/swarming/v1/" + path)
            assert_refused(reply, 503)
            assert int(reply.headers["retry-after"]) > 0


async def test_a_finished_task_is_not_harmed_by_bad_cancels(frontend):
    task_id = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]
    await a_result(frontend.database, task_id, state=TaskState.COMPLETED)

    for body in ({"kill_running": "yes"}, {"kill_running": 1}, {"unknown": 1}):
        assert_refused(await frontend.post(f"task/{task_id}/cancel", body), 400)
