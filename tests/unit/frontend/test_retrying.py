"""A retry by hand is a clone by fixed rules."""

import base64
from typing import Any

import pytest
from sqlalchemy import select

from swarming_common.database.tables import task_request
from swarming_common.errors import NotAllowed
from swarming_common.model.task_id import format_task_id, parse_task_id
from swarming_frontend.identity import Caller
from swarming_frontend.store.requests import stored_request
from swarming_frontend.usecases.retry import Retry, RetryTask, clone, retry_name
from tests.unit.frontend.builders import a_new_task

SECRET = base64.b64encode(b"hush").decode()


async def submitted(frontend, **fields: Any) -> str:
    return (await frontend.post("tasks/new", a_new_task(**fields))).json()["task_id"]


async def retried(frontend, task_id: str, **body: Any) -> dict[str, Any]:
    reply = await frontend.post(f"task/{task_id}/retry", body)
    assert reply.status_code == 200, reply.text
    return reply.json()


async def test_a_clone_asks_for_the_same_but_for_the_caller_and_is_never_idempotent(frontend):
    properties = {"idempotent": True, "env": [{"key": "A", "value": "b"}], "secret_bytes": SECRET}
    parent = await submitted(frontend)
    task_id = await submitted(
        frontend,
        properties=properties,
        user="joe",
        priority=40,
        tags=["a:b", "user:jim"],
        parent_task_id=parent[:-1] + "1",
        pubsub_topic="somewhere",
    )
    before = (await frontend.get(f"task/{task_id}/request")).json()

    answer = await retried(frontend, task_id)

    assert answer["task_id"] != task_id
    assert answer["task_result"]["state"] == "PENDING"
    after = (await frontend.get(f"task/{answer['task_id']}/request")).json()
    assert after["name"] == "a task (Retry #1)"
    assert (after["user"], after["authenticated"]) == ("anonymous:anonymous", "anonymous:anonymous")
    assert "parent_task_id" not in after
    assert "pubsub_topic" not in after
    assert after["expiration_secs"] == before["expiration_secs"]
    assert after["priority"] == before["priority"] == "40"
    was, is_now = before["task_slices"][0]["properties"], after["task_slices"][0]["properties"]
    assert is_now == was | {"idempotent": False}
    kept = {tag for tag in before["tags"] if not tag.startswith(("user:", "parent_task_id:"))}
    assert set(after["tags"]) == kept | {"user:anonymous:anonymous"}


async def test_the_secret_goes_with_it(frontend):
    task_id = await submitted(frontend, properties={"secret_bytes": SECRET})

    answer = await retried(frontend, task_id)

    query = select(task_request.c.task_id, task_request.c.secret_bytes)
    rows = await frontend.database.read(lambda c: c.execute(query).all())
    assert {format_task_id(row.task_id): row.secret_bytes for row in rows} == {
        task_id: b"hush",
        answer["task_id"]: b"hush",
    }


async def test_a_retry_of_a_retry_counts_on(frontend):
    first = await retried(frontend, await submitted(frontend))
    second = await retried(frontend, first["task_id"])

    assert second["request"]["name"] == "a task (Retry #2)"


async def test_the_priority_of_a_child_counts_no_more_without_its_parent(frontend):
    parent = await submitted(frontend, priority=20)
    child = await submitted(frontend, parent_task_id=parent[:-1] + "1")

    answer = await retried(frontend, child)

    assert answer["request"]["priority"] == "20"


async def test_a_call_that_is_repeated_with_its_uuid_makes_one_clone(frontend):
    task_id = await submitted(frontend)

    first, again = [await retried(frontend, task_id, request_uuid="u1") for _ in range(2)]
    other = await retried(frontend, task_id)

    assert first["task_id"] == again["task_id"] != other["task_id"]


async def test_a_body_is_not_needed_and_a_run_stands_for_its_task(frontend):
    task_id = await submitted(frontend)

    reply = await frontend.client.post(f"/_ah/api/swarming/v1/task/{task_id[:-1]}1/retry")

    assert reply.json()["request"]["name"] == "a task (Retry #1)"


async def test_a_task_that_does_not_exist_is_not_retried(frontend):
    reply = await frontend.post("task/7c2236638dbfed10/retry", {})

    assert reply.status_code == 404


async def test_a_bot_may_not_retry(frontend):
    task_id = await submitted(frontend)
    retry = Retry(frontend.database, submit=None)  # type: ignore[arg-type]
    by_bot = RetryTask(task_id=parse_task_id(task_id), request_uuid=None, by=Caller("bot", "bot1"))

    with pytest.raises(NotAllowed):
        await retry(by_bot, frontend.ports.clock.now())


async def test_a_person_is_named_without_the_kind(frontend):
    task_id = parse_task_id(await submitted(frontend))
    stored = await frontend.database.read(lambda c: stored_request(c, task_id))

    request, _ = clone(stored, Caller("user", "joe@example.com"))

    assert (request.user, request.authenticated) == ("joe@example.com", "user:joe@example.com")


@pytest.mark.parametrize(
    ("name", "next_name"),
    [
        ("build", "build (Retry #1)"),
        ("build (Retry #1)", "build (Retry #2)"),
        ("build (Retry #9)", "build (Retry #10)"),
        ("build (Retry #x)", "build (Retry #x) (Retry #1)"),
        ("(Retry #1)", "(Retry #1) (Retry #1)"),
        ("two\nlines (Retry #1)", "two\nlines (Retry #2)"),
    ],
)
def test_the_name_counts(name: str, next_name: str):
    assert retry_name(name) == next_name


def test_a_name_that_is_too_long_keeps_the_count():
    assert retry_name("x" * 1024) == "x" * 1013 + " (Retry #1)"


async def test_a_task_with_an_account_that_is_not_taken_any_more_is_not_tried_again(frontend):
    task_id = await submitted(frontend, service_account="bot")
    assert (await retried(frontend, task_id))["request"]["service_account"] == "bot"
    row = task_request.c.task_id == parse_task_id(task_id)
    request = await frontend.database.read(lambda c: c.execute(select(task_request.c.request).where(row)).scalar())
    older = task_request.update().where(row).values(request=request | {"service_account": "a@b.c"})
    await frontend.database.write(lambda c: c.execute(older))

    reply = await frontend.post(f"task/{task_id}/retry", {})

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("service_account: expected none or bot")
