"""Runs that an upstream bot fails at or forgets, as the whole conversation that it has."""

from collections.abc import AsyncIterator

import pytest

from swarming_common.database import tables
from swarming_common.hints.scheduler import OfferMade, RunReported
from swarming_common.model.reports import ReportKind
from tests.unit.botgateway.upstream_bot import UpstreamBot, said
from tests.unit.botgateway.world import World, a_world, some_settings

MISSING_CAS = {"digest": "aa/77", "instance": "projects/p/instances/i", "status": "digest_invalid"}
MISSING_CIPD = {"package_name": None, "version": None, "path": None, "status": "package_invalid"}


@pytest.fixture
async def impatient(sqlite_folder) -> AsyncIterator[World]:
    """A gateway that takes a run for lost at the first poll of the process that confirmed it."""
    settings = some_settings(lost_run_grace_seconds=0, hold_seconds=0.01, unfinished_hold_seconds=0.01)
    async with a_world(sqlite_folder, settings) as world:
        yield world


async def a_confirmed_run(world: World, **changed):
    bot = UpstreamBot(world)
    said(await bot.shake_hands())
    run = await world.a_run("bot1", **changed)
    said(await bot.update(run))
    return bot, run


async def test_missing_inputs_with_a_status_end_the_run_and_the_bot_goes_on(impatient):
    bot, run = await a_confirmed_run(impatient)

    said(await bot.update(run))
    failed = said(await bot.fail(run, "Missing inputs", missing_cas=[MISSING_CAS], missing_cipd=[MISSING_CIPD]))
    following = said(await bot.poll())

    assert failed == {}
    assert following["cmd"] == "sleep"
    report = {row.kind: row for row in await impatient.rows(tables.run_report)}["failed"]
    assert report.details == {
        "missing_cas": [{"digest": "aa/77", "instance": "projects/p/instances/i"}],
        "missing_cipd": [{}],
    }
    assert impatient.of_kind(OfferMade)  # it is offered for work again


async def test_a_message_with_a_nul_is_kept_readable_and_not_refused(impatient):
    bot, run = await a_confirmed_run(impatient)

    assert said(await bot.fail(run, "broken \0 output")) == {}

    report = {row.kind: row for row in await impatient.rows(tables.run_report)}["failed"]
    assert report.message == "broken \N{REPLACEMENT CHARACTER} output"


@pytest.mark.parametrize("killing", [False, True])
async def test_a_bot_that_polls_after_a_refused_report_has_lost_its_run(impatient, killing):
    bot, run = await a_confirmed_run(impatient)
    await impatient.change_run(run, killing=killing)

    refused = await bot.fail(run, 7)  # a wrong type is refused, and fatal to it: it does not tell again
    await bot.poll()

    assert refused.status_code == 400
    lost = await impatient.hint(RunReported, number=1)
    assert (lost.report.kind, lost.task_id, lost.run_number) == (ReportKind.LOST, run.task_id, run.number)
    assert await impatient.report_kinds() == ["confirmed", "lost"]


async def test_a_run_that_was_confirmed_without_a_session_is_lost_too(impatient):
    bot = UpstreamBot(impatient)
    run = await impatient.a_run("bot1")
    said(await bot.update(run))  # before its handshake, so with `session: null`
    await bot.shake_hands()

    await bot.poll()

    assert await impatient.report_kinds() == ["confirmed", "lost"]


async def test_a_final_update_that_comes_within_the_grace_is_the_run_s_end(world):
    bot, run = await a_confirmed_run(world)
    world.ports.stopping.set()  # no poll is held

    said(await bot.poll())
    ended = said(await bot.update(run, exit_code=0, duration=1.0))

    assert ended["ok"]
    assert await world.report_kinds() == ["confirmed", "finished"]
