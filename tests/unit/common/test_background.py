"""What runs beside a service ends with it."""

import asyncio

from swarming_common.background import Background
from swarming_common.errors import DatabaseAway
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS


async def test_work_whose_driver_swallowed_the_cancellation_ends_all_the_same():
    cancelled, begun = 0, asyncio.Event()

    async def outage_after_outage() -> None:
        nonlocal cancelled
        while True:
            try:
                begun.set()
                await asyncio.sleep(60)
            except asyncio.CancelledError as error:
                cancelled += 1
                if cancelled == 1:
                    raise DatabaseAway("the connection was closed") from error
                raise

    async with asyncio.timeout(DEADLINE_SECONDS):
        async with Background() as background:
            background.every(0, outage_after_outage, "outages")
            await begun.wait()

    assert cancelled == 2


async def test_a_failure_of_what_runs_once_is_logged_and_ends_nobody_else(capsys):
    async def fails() -> None:
        raise ValueError("a mistake")

    async with Background() as background:
        failing = background.start(fails(), "failing")
        others = background.start(asyncio.sleep(60), "waiting")
        await asyncio.wait([failing])
        assert not others.done()

    assert others.cancelled()
    assert "background_task_failed" in capsys.readouterr().out


async def test_what_is_started_after_the_end_never_runs():
    has_run = False

    async def latecomer() -> None:
        nonlocal has_run
        has_run = True

    async with Background() as background:
        pass
    late = background.start(latecomer(), "late")
    repeated = background.every(0, latecomer, "late again and again")
    await asyncio.wait([late, repeated], timeout=5)

    assert late.cancelled()
    assert repeated.cancelled()
    assert not has_run
