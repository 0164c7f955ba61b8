"""Fields in bots' messages that this server does not know: ignored, counted, and never a reason to refuse a bot."""

import pytest
from prometheus_client import REGISTRY
from pydantic import BaseModel

from swarming_botgateway.api.unknown_fields import MAX_COUNTED_FIELDS, count_unknown_fields, count_unknown_keys
from swarming_common.database import tables
from tests.unit.botgateway.upstream_bot import UpstreamBot, said


def counted(field: str) -> float:
    return REGISTRY.get_sample_value("swarming_botgateway_unknown_fields_total", {"field": field}) or 0.0


@pytest.mark.parametrize("route", ["handshake", "poll", "event"])
async def test_an_unknown_field_in_what_a_bot_says_of_itself_is_ignored_and_counted(world, route):
    world.ports.stopping.set()  # no poll is held
    bot = await world.a_connected_bot()
    body = bot.poll_body() | {"event": "bot_log", "message": "hello"} if route == "event" else bot.poll_body()
    if route == "handshake":
        body = bot.word(session_id=bot.process)
    before = counted(f"{route}.surprise")

    answer = await world.post(route, body | {"surprise": {"a": "\0"}})

    assert answer.status_code == 200
    [row] = await world.rows(tables.bot)
    assert row.quarantined is None
    assert counted(f"{route}.surprise") == before + 1


async def test_unknown_fields_of_an_update_are_ignored_and_counted_by_their_path(world):
    bot = UpstreamBot(world)
    await bot.shake_hands()
    run = await world.a_run("bot1")
    root = {"cas_instance": "i", "digest": {"hash": "h", "size_bytes": 7, "salt": "\0"}, "tier": 2**70}

    answer = await bot.update(run, exit_code=0, duration=1.0, cas_output_root=root, surprise=["\0"])

    assert said(answer)["ok"]
    [report] = await world.rows(tables.run_report)
    assert report.details == {"cas_output_root": {"cas_instance": "i", "digest": {"hash": "h", "size_bytes": 7}}}
    for field in ("surprise", "cas_output_root.tier", "cas_output_root.digest.salt"):
        assert counted(f"TaskUpdate.{field}") >= 1


async def test_unknown_fields_of_token_calls_and_of_the_error_call_of_2015_are_ignored(world):
    bot = await world.a_connected_bot()

    token = await world.post("oauth_token", {"account_id": "system", "id": "bot1", "scopes": ["s"], "surprise": 1})
    error = await world.post("error", {"id": bot.bot_id, "message": "trouble", "surprise": 1})

    assert (token.status_code, error.status_code) == (200, 200)
    assert counted("OauthTokenAsked.surprise") >= 1
    assert counted("OldError.surprise") >= 1


def test_a_bot_cannot_make_metrics_without_end():
    class Nothing(BaseModel):
        pass

    before = counted("other")
    for number in range(2 * MAX_COUNTED_FIELDS):
        count_unknown_keys("poll", {f"field{number}": 1}, ())
    count_unknown_fields("Nothing", Nothing, {"x" * 5000: 1})

    assert counted("other") > before + MAX_COUNTED_FIELDS - 1
    assert counted("poll.field199") == 0
