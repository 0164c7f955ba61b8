"""The OpenAPI description tells all of the client API."""

import json
import re

import pytest

API = "/api/swarming/v1"


@pytest.fixture
async def description(frontend):
    return (await frontend.client.get("/openapi.json")).json()


async def test_each_route_is_told_once(description):
    paths = description["paths"]

    assert {f"{API}/task/{{task_id}}/stdout", f"{API}/tasks/new"} <= set(paths)
    assert not any(one.startswith("/_ah/") for one in paths)


async def test_a_body_is_described_where_one_is_read(description):
    paths, schemas = description["paths"], description["components"]["schemas"]

    new = paths[f"{API}/tasks/new"]["post"]["requestBody"]
    cancel = paths[f"{API}/task/{{task_id}}/cancel"]["post"]["requestBody"]

    assert new == {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/NewTaskRequest"}}},
    }
    assert not cancel["required"]
    assert {"task_slices", "priority", "tags"} <= set(schemas["NewTaskRequest"]["properties"])


async def test_only_what_takes_no_body_lacks_one(description):
    posts = {path.removeprefix(f"{API}/"): one["post"] for path, one in description["paths"].items() if "post" in one}

    without = {path for path, operation in posts.items() if "requestBody" not in operation}

    assert without == {
        "bot/{bot_id}/delete",
        "bot/{bot_id}/unquarantine",
        "bot/{bot_id}/end_maintenance",
        "server/token",
    }


async def test_what_is_referred_to_is_there(description):
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(description)))

    assert referred >= {"NewTaskRequest", "Slice", "Error"}
    assert referred <= set(description["components"]["schemas"])


async def test_errors_are_told_as_they_are(description, frontend):
    refused = await frontend.client.post(f"{API}/tasks/new", json={})
    responses = description["paths"][f"{API}/tasks/list"]["get"]["responses"]

    assert set(responses) == {"200", "4XX"}
    assert set(refused.json()) == set(description["components"]["schemas"]["Error"]["properties"])
