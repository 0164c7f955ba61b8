"""How many tasks may wait in a pool."""

import asyncio
from typing import Any

from swarming_common.hints import addresses
from swarming_common.hints.frontend import TasksPending
from swarming_common.hints.wire import Hint
from swarming_common.model.shards import shard_of_pool
from tests.unit.frontend.builders import a_new_task
from tests.unit.frontend.conftest import Frontend, StartFrontend

SHARD = shard_of_pool("default")


def start(start_frontend: StartFrontend, tmp_path, most: int):
    path = tmp_path / "pools.toml"
    path.write_text(f"[pools.default]\nmax_pending = {most}\n")
    return start_frontend(pools_file=str(path))


async def tell(frontend: Frontend, **pending: int) -> None:
    """A shard's word, and that the frontend has heard it."""
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    mailbox = await frontend.bus.open_mailbox(heard.put_nowait)
    await mailbox.listen(addresses.ALL_FRONTENDS)  # after the frontend does, so it hears it first
    frontend.bus.send(addresses.ALL_FRONTENDS, TasksPending(shard=SHARD, pending=pending))
    await heard.get()
    await mailbox.close()


async def submit(frontend: Frontend, **fields: Any):
    return await frontend.post("tasks/new", a_new_task(**fields))


async def test_a_full_pool_refuses_with_the_time_to_come_back(start_frontend: StartFrontend, tmp_path):
    async with start(start_frontend, tmp_path, 3) as frontend:
        await tell(frontend, default=3)

        refused = await submit(frontend)
        other = await submit(frontend, pool="other")

    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert "default" in refused.json()["error"]["message"]
    assert other.status_code == 200


async def test_what_was_accepted_since_the_shard_s_last_word_counts(start_frontend: StartFrontend, tmp_path):
    async with start(start_frontend, tmp_path, 3) as frontend:
        await tell(frontend, default=1)
        statuses = [(await submit(frontend)).status_code for _ in range(3)]

        await tell(frontend, default=2)
        statuses += [(await submit(frontend)).status_code for _ in range(2)]

    assert statuses == [200, 200, 429, 200, 429]


async def test_a_repeated_uuid_gets_its_first_task_even_from_a_full_pool(start_frontend: StartFrontend, tmp_path):
    async with start(start_frontend, tmp_path, 1) as frontend:
        first = await submit(frontend, request_uuid="u1")
        await tell(frontend, default=1)

        again = await submit(frontend, request_uuid="u1")
        new = await submit(frontend, request_uuid="u2")

    assert again.json()["task_id"] == first.json()["task_id"]
    assert new.status_code == 429


async def test_a_pool_that_empties_takes_tasks_again(start_frontend: StartFrontend, tmp_path):
    async with start(start_frontend, tmp_path, 1) as frontend:
        await tell(frontend, default=1)
        refused = await submit(frontend)
        await tell(frontend)

        taken = await submit(frontend)

    assert (refused.status_code, taken.status_code) == (429, 200)
