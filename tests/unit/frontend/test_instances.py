"""Several frontends in one process share their routes, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import copytree

import pytest

from tests.unit.frontend.builders import a_new_task
from tests.unit.frontend.conftest import API, Frontend, open_frontend


@pytest.fixture
async def two(sqlite_folder: Path, tmp_path: Path) -> AsyncIterator[tuple[Frontend, Frontend]]:
    """The second one takes smaller bodies and shorter time-outs."""
    copytree(sqlite_folder, tmp_path / "second")
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(open_frontend(sqlite_folder))
        second = open_frontend(tmp_path / "second", max_body_bytes=1000, min_timeout_secs=1)
        yield first, await stack.enter_async_context(second)


async def test_each_has_its_own_tasks(two: tuple[Frontend, Frontend]):
    first, second = two

    task_id = (await first.post("tasks/new", a_new_task())).json()["task_id"]

    assert (await first.get(f"task/{task_id}/result")).status_code == 200
    assert (await second.get(f"task/{task_id}/result")).status_code == 404
    assert "items" not in (await second.get("tasks/list")).json()


async def test_each_has_its_own_limits(two: tuple[Frontend, Frontend]):
    first, second = two
    long = a_new_task(name="n" * 1000)

    assert [(await one.post("tasks/new", long)).status_code for one in two] == [200, 413]
    assert [(await one.post("tasks/cancel", {"tags": ["a:" + "b" * 1000]})).status_code for one in two] == [200, 413]
    short = a_new_task()
    short["task_slices"][0]["expiration_secs"] = 2
    assert [(await one.post("tasks/new", short)).status_code for one in (first, second)] == [400, 200]


async def test_each_says_for_itself_whether_it_serves(two: tuple[Frontend, Frontend]):
    first, second = two

    first.ports.stopping.set()

    assert (await first.client.get("/readyz")).status_code == 503
    assert (await second.client.get("/readyz")).status_code == 200
    assert (await second.client.get(f"{API}/server/details")).status_code == 200
