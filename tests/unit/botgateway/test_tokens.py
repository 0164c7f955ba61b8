"""Which service account a run has: upstream's bot asks for tokens, and is told that there is nothing to lend."""

from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import insert

from swarming_common.database import tables
from swarming_common.model.task_id import RunId
from tests.unit.botgateway.upstream_bot import UpstreamBot, said
from tests.unit.botgateway.world import World

ASKED: list[tuple[str, dict[str, Any]]] = [("oauth_token", {"scopes": ["s"]}), ("id_token", {"audience": "a"})]
both_tokens = pytest.mark.parametrize(("name", "asked"), ASKED)


async def a_run_with(world: World, account: str, **changed: Any) -> RunId:
    run = await world.a_run("bot1", **changed)
    now = datetime.now(UTC)
    row = {
        "task_id": run.task_id, "nonce": 1, "shard": 3, "created_ts": now, "expiration_ts": now, "name": "x",
        "priority": 1, "user": "", "tags": [], "request": {"service_account": account},
    }  # fmt: skip
    await world.ports.database.write(lambda c: c.execute(insert(tables.task_request), row))
    return run


def body(run: RunId | str | None, account_id: str = "task", **more: Any) -> dict[str, Any]:
    return {"account_id": account_id, "id": "bot1", "task_id": run and str(run), "session": None, **more}


@both_tokens
@pytest.mark.parametrize("account", ["none", "bot"])
async def test_a_run_is_told_the_account_that_its_task_has(world, name, asked, account):
    run = await a_run_with(world, account)

    answer = said(await UpstreamBot(world).call(name, body(run, **asked)))

    assert answer == {"service_account": account}


@both_tokens
async def test_a_bot_has_no_account_for_its_own_needs(world, name, asked):
    for run in (await a_run_with(world, "bot"), None):
        answer = said(await UpstreamBot(world).call(name, body(run, "system", **asked)))
        assert answer == {"service_account": "none"}


@both_tokens
@pytest.mark.parametrize("not_its_run", [{"bot_id": "bot2"}, {"revoked": True}, {"state": 112}])
async def test_only_the_run_that_a_bot_has_now_has_an_account(world, name, asked, not_its_run):
    run = await a_run_with(world, "bot", **not_its_run)

    answer = await UpstreamBot(world).call(name, body(run, **asked))

    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/json")
    assert answer.json() == {"error": "task_id: expected a run that bot1 has now"}


@both_tokens
async def test_an_account_of_a_task_from_before_accounts_were_refused_is_not_lent(world, name, asked):
    run = await a_run_with(world, "a@b.c")

    answer = await UpstreamBot(world).call(name, body(run, **asked))

    assert answer.status_code == 400
    assert answer.json()["error"].startswith("account_id: expected none or bot; this server has no tokens")


@pytest.mark.parametrize(
    ("name", "changed", "field"),
    [
        ("oauth_token", {"scopes": []}, "scopes"),
        ("oauth_token", {"scopes": "s"}, "scopes"),
        ("oauth_token", {"account_id": "other"}, "account_id"),
        ("oauth_token", {"id": ""}, "id"),
        ("oauth_token", {"task_id": None}, "task_id"),
        ("oauth_token", {"task_id": "7c2236638dbfed10"}, "task_id"),
        ("id_token", {"audience": ""}, "audience"),
        ("id_token", {"audience": ["a"]}, "audience"),
    ],
)
async def test_a_question_that_makes_no_sense_is_refused_by_name(world, name, changed, field):
    run = await a_run_with(world, "bot")

    answer = await UpstreamBot(world).call(name, body(run, **dict(ASKED)[name]) | changed)

    assert answer.status_code == 400
    assert answer.json()["error"].startswith(f"{field}: expected ")
