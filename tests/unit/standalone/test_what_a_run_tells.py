"""What an upstream bot says of a run is what clients read of it, through all services."""

import asyncio
from typing import Any

from swarming_common.model.task_id import RunId, parse_run_id
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from tests.unit.botgateway.upstream_bot import UpstreamBot, said
from tests.unit.frontend.builders import a_new_task
from tests.unit.standalone.conftest import Whole

FINAL: dict[str, Any] = {
    "bot_overhead": 0.9078781,
    "cache_trim_stats": {"duration": 0.000284},
    "cleanup_stats": {"duration": 0.002673},
    "cost_usd": 0.000472,
    "duration": 11.1125416,
    "exit_code": 3,
    "hard_timeout": False,
    "io_timeout": False,
    "isolated_stats": {"download": {"items_cold": "eJwDAAAAAAE=", "duration": 0.2}, "upload": {}},
    "named_caches_stats": {"install": {"duration": 0.00014}, "uninstall": {"duration": 0.000289}},
}


async def a_bot_with_a_run(whole: Whole) -> tuple[UpstreamBot, str, RunId]:
    bot = UpstreamBot(whole)
    said(await bot.shake_hands())
    task_id = (await whole.post("tasks/new", a_new_task()))["task_id"]
    answer = said(await bot.poll())
    assert answer["cmd"] == "run", answer
    return bot, task_id, parse_run_id(answer["manifest"]["task_id"])


async def test_the_stats_of_a_final_update_are_those_of_the_task(whole: Whole):
    bot, task_id, run = await a_bot_with_a_run(whole)

    said(await bot.update(run))
    said(await bot.update(run, **FINAL))
    result = await whole.ended(task_id)

    assert (result["state"], result["exit_code"], result["costs_usd"]) == ("COMPLETED", "3", [0.000472])
    assert result["performance_stats"] == {
        "bot_overhead": 0.9078781,
        "isolated_download": {
            "duration": 0.2,
            "items_cold": "eJwDAAAAAAE=",
            "num_items_cold": "0",
            "total_bytes_items_cold": "0",
        },
        "cache_trim": {"duration": 0.000284},
        "named_caches_install": {"duration": 0.00014},
        "named_caches_uninstall": {"duration": 0.000289},
        "cleanup": {"duration": 0.002673},
    }


async def test_a_run_costs_what_its_bot_said_last_while_it_runs_and_when_the_bot_fails(whole: Whole):
    bot, task_id, run = await a_bot_with_a_run(whole)

    for cost_usd in (0.25, 0.5):
        said(await bot.update(run, cost_usd=cost_usd))
    running = await shown(whole, task_id, costs_usd=[0.5])
    said(await bot.update(run, cost_usd=0.75))
    assert said(await bot.fail(run)) == {}
    failed = await whole.ended(task_id)

    assert running["state"] == "RUNNING"
    assert (failed["state"], failed["costs_usd"]) == ("BOT_DIED", [0.75])


async def test_each_try_shows_its_cost_also_one_that_was_lost(whole: Whole):
    bot, task_id, run = await a_bot_with_a_run(whole)
    said(await bot.update(run, cost_usd=0.25))
    await shown(whole, task_id, costs_usd=[0.25])

    said(await UpstreamBot(whole, process="a-new-process/2").shake_hands())
    waiting = await shown(whole, task_id, state="PENDING")
    other = UpstreamBot(whole, "bot2")
    said(await other.shake_hands())
    again = parse_run_id(said(await other.poll())["manifest"]["task_id"])
    said(await other.update(again))
    said(await other.update(again, **FINAL))
    result = await whole.ended(task_id)

    assert (waiting["run_id"], waiting["costs_usd"]) == (str(run), [0.25])
    assert not {"bot_id", "bot_version", "bot_dimensions", "started_ts", "exit_code", "duration"} & waiting.keys()
    assert (result["run_id"], result["costs_usd"]) == (str(again), [0.25, 0.000472])
    lost = await whole.get(f"task/{run}/result")
    assert (lost["state"], lost["costs_usd"]) == ("BOT_DIED", [0.25])


async def shown(whole: Whole, task_id: str, **wanted: Any) -> Any:
    """A task's result as soon as it shows this."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            result = await whole.get(f"task/{task_id}/result")
            if wanted.items() <= result.items():
                return result
            await asyncio.sleep(0.01)
