"""Output and sessions as a broken or confused bot sends them: a clear answer, and nothing of what was right is lost."""

from typing import Any

import pytest

from swarming_botgateway.sessions import Session, parse_session
from swarming_common.database import tables
from swarming_common.hints.scheduler import OfferMade
from tests.unit.botgateway.upstream_bot import UpstreamBot, said
from tests.unit.botgateway.world import BASE, World, a_run_id, encoded


@pytest.fixture
async def bot(world: World) -> UpstreamBot:
    bot = UpstreamBot(world)
    said(await bot.shake_hands())
    return bot


@pytest.mark.parametrize(
    ("chunks", "stored"),
    [
        ([(0, b"abc"), (3, b"def")], {0: b"abc", 3: b"def"}),
        ([(3, b"def"), (0, b"abc")], {0: b"abc", 3: b"def"}),
        ([(0, b"abc"), (0, b"abc")], {0: b"abc"}),
        ([(0, b"abc"), (0, b"abcdef")], {0: b"abcdef"}),
        ([(0, b"abcdef"), (0, b"abc")], {0: b"abcdef"}),
        ([(0, b"abc"), (1, b"bcdef")], {0: b"abc", 1: b"bcdef"}),
        ([(0, b"a"), (1000, b"b")], {0: b"a", 1000: b"b"}),
        ([(0, b"a"), (2**62 - 1, b"b")], {0: b"a"}),
    ],
)
async def test_chunks_in_whatever_order_keep_every_byte_at_its_place(world, bot, chunks, stored):
    run = await world.a_run("bot1")

    answers = [said(await bot.update(run, content, start)) for start, content in chunks]

    assert all(one["ok"] for one in answers)
    assert await world.output(run) == stored


@pytest.mark.parametrize(
    "changed",
    [
        {"output": "not base64!"},
        {"output": "YWJjZ"},
        {"output": "=" * 8},
        {"output": ["YWJj"]},
        {"output_chunk_start": -1},
        {"output_chunk_start": "0"},
        {"output_chunk_start": 2**62},
        {"output_chunk_start": None},
        {"output": encoded(b"x" * 1_000_001)},
    ],
)
async def test_a_wrong_chunk_is_refused_by_name_and_the_bot_may_go_on(world, bot, changed):
    run = await world.a_run("bot1")
    said(await bot.update(run, b"before", 0))
    chunk: dict[str, Any] = {"output": encoded(b"x"), "output_chunk_start": 6}

    refused = await bot.call(f"task_update/{run}", {"id": "bot1", "task_id": str(run), **chunk, **changed})
    after = said(await bot.update(run, b" after", 6))

    assert refused.status_code == 400
    assert refused.json()["error"].split(":")[0] in ("output", "output_chunk_start")
    assert after["ok"]
    assert await world.output(run) == {0: b"before", 6: b" after"}


async def test_output_without_a_newline_is_there_with_each_update(world, bot):
    """Minutes of it: an update every four seconds, some of which end within a character."""
    run = await world.a_run("bot1")
    text = ("…" * 100).encode()

    for start in range(0, len(text), 10):
        assert said(await bot.update(run, text[start : start + 10], start))["ok"]
        assert b"".join(content for _, content in sorted((await world.output(run)).items())) == text[: start + 10]


@pytest.mark.parametrize(("later", "answered"), [(1, "bot_restart"), (0, "bot_restart"), (-1, "session: ")])
async def test_a_poll_with_another_bots_session_gets_nothing(world, bot, later, answered):
    own = parse_session(bot.session)
    assert own is not None
    bot.session = str(Session(own.began_ms + later, "f" * 16))

    answer = await bot.poll()

    assert answered in (answer.json().get("cmd"), answer.json().get("error", "")[:9])
    assert world.of_kind(OfferMade) == []


async def test_another_bots_session_adds_nothing_to_a_run(world, bot):
    other = UpstreamBot(world, "bot2", process="other/1")
    said(await other.shake_hands())
    run = await world.a_run("bot1")
    own = bot.session
    said(await bot.update(run, b"mine", 0))

    bot.session = other.session
    answers = [said(await bot.update(run, b"not mine", 4)), said(await bot.update(run, exit_code=0, duration=1.0))]
    failure = await bot.fail(run)
    bot.session = own
    goes_on = said(await bot.update(run, b" too", 4))

    assert [(one["ok"], one["must_stop"]) for one in answers] == [(False, True)] * 2
    assert failure.content == b"{}"
    assert goes_on == {"ok": True, "must_stop": False, "session": own}
    assert await world.output(run) == {0: b"mine", 4: b" too"}
    assert await world.report_kinds() == ["confirmed"]


@pytest.mark.parametrize("whose", ["another bot's", "nobody's"])
async def test_an_update_for_a_run_that_is_not_the_bots_is_told_to_stop(world, bot, whose):
    run = await world.a_run("bot2") if whose == "another bot's" else a_run_id()

    answers = [said(await bot.update(run, b"x", 0)), said(await bot.update(run, exit_code=0, duration=1.0))]

    for one in answers:
        assert (one["ok"], one["must_stop"], one["session"]) == (False, True, bot.session)
        assert isinstance(one["stop_reason"], str)
    assert await world.rows(tables.run_report) == []


@pytest.mark.parametrize("version", ["", "0" * 63, "0" * 64, "..", "%2e%2e", "a" * 5000, "%00", "%F0%9F%92%A9"])
async def test_code_of_a_wrong_version_is_a_404_in_json(world, version):
    answer = await world.http.get(f"{BASE}/bot_code/{version}")

    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/json")


@pytest.mark.parametrize("version", [None, 7, [], "x" * 10_000, "a\0b"])
async def test_a_poll_of_a_wrong_version_is_answered(world, bot, version):
    bot.version = version
    world.ports.stopping.set()

    answer = said(await bot.poll())

    assert answer["cmd"] == "sleep"
    assert len((await world.rows(tables.bot))[0].version) <= 128
