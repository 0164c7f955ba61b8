"""Long polls: answered by news, by the end of the task, by the end of the time, or when the process stops."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from swarming_common.cache.port import Follower
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import parse_task_id
from swarming_frontend import waiting
from tests.unit.frontend.builders import a_new_task, a_result, a_running_task, some_output

DEADLINE = 10


@pytest.fixture
async def task_id(frontend) -> str:
    task_id = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]
    await a_running_task(frontend.database, task_id)
    return task_id


class WatchedFollower:
    """Says when somebody begins to wait."""

    def __init__(self, follower: Follower, waits: asyncio.Semaphore) -> None:
        self._follower = follower
        self._waits = waits

    async def wait(self, timeout_seconds: float) -> bool:
        self._waits.release()
        return await self._follower.wait(timeout_seconds)


@pytest.fixture
def waits(frontend, monkeypatch) -> asyncio.Semaphore:
    """To be acquired whenever a request begins to wait for news."""
    begun = asyncio.Semaphore(0)
    follow = frontend.cache.follow

    @asynccontextmanager
    async def watched(channel: str) -> AsyncIterator[Follower]:
        async with follow(channel) as follower:
            yield WatchedFollower(follower, begun)

    monkeypatch.setattr(frontend.cache, "follow", watched)
    return begun


@pytest.fixture
def held(frontend, waits):
    """Starts a request and returns it once it waits for news."""

    async def start(path: str, **query: object) -> asyncio.Task[httpx.Response]:
        request = asyncio.create_task(frontend.get(path, wait_secs=20, **query))
        await asyncio.wait_for(waits.acquire(), DEADLINE)
        return request

    return start


async def test_output_that_is_there_is_not_waited_for(frontend, task_id):
    await some_output(frontend.database, task_id, b"hello")

    reply = await asyncio.wait_for(frontend.get(f"task/{task_id}/stdout", wait_secs=20), DEADLINE)

    assert reply.json()["output"] == "hello"
    assert reply.json()["next_offset"] == "5"


async def test_a_follower_hears_of_new_output(frontend, task_id, held):
    request = await held(f"task/{task_id}/stdout")

    await some_output(frontend.database, task_id, b"hello")
    frontend.cache.announce(waiting.news_channel(parse_task_id(task_id)))

    reply = await asyncio.wait_for(request, DEADLINE)
    assert reply.json()["output"] == "hello"
    assert reply.json()["state"] == "RUNNING"


async def test_a_follower_hears_of_the_end(frontend, task_id, held):
    await some_output(frontend.database, task_id, b"hello")
    request = await held(f"task/{task_id}/stdout", offset=5)

    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, run_number=1)
    frontend.cache.announce(waiting.news_channel(parse_task_id(task_id)))

    reply = await asyncio.wait_for(request, DEADLINE)
    assert (reply.json()["output"], reply.json()["state"]) == ("", "COMPLETED")


async def test_an_announcement_without_news_is_waited_out(frontend, task_id, held, waits, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_AGAIN_SECONDS", 60)
    request = await held(f"task/{task_id}/stdout")

    frontend.cache.announce(waiting.news_channel(parse_task_id(task_id)))
    await asyncio.wait_for(waits.acquire(), DEADLINE)

    assert not request.done()
    frontend.ports.stopping.set()
    await asyncio.wait_for(request, DEADLINE)


async def test_news_that_nobody_announces_are_found_all_the_same(frontend, task_id, held, monkeypatch):
    monkeypatch.setattr(waiting, "LOOK_AGAIN_SECONDS", 0.01)
    request = await held(f"task/{task_id}/result")

    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, run_number=1)

    reply = await asyncio.wait_for(request, DEADLINE)
    assert reply.json()["state"] == "COMPLETED"


async def test_a_result_is_held_until_the_state_is_final(frontend, task_id, held):
    request = await held(f"task/{task_id}/result")

    await a_result(frontend.database, task_id, state=TaskState.KILLED, run_number=1)
    frontend.cache.announce(waiting.news_channel(parse_task_id(task_id)))

    reply = await asyncio.wait_for(request, DEADLINE)
    assert reply.json()["state"] == "KILLED"


async def test_after_its_time_a_held_request_is_answered_as_things_are(frontend, task_id):
    started = time.monotonic()

    result = await frontend.get(f"task/{task_id}/result", wait_secs=0.05)
    output = await frontend.get(f"task/{task_id}/stdout", wait_secs=0.05, offset=3)

    assert 0.1 <= time.monotonic() - started < DEADLINE
    assert result.json()["state"] == "RUNNING"
    assert output.json()["output"] == ""
    assert output.json()["next_offset"] == "3"


async def test_held_requests_are_answered_when_the_process_stops(frontend, task_id, held):
    request = await held(f"task/{task_id}/stdout")

    frontend.ports.stopping.set()

    reply = await asyncio.wait_for(request, DEADLINE)
    assert reply.status_code == 200
    assert reply.json()["state"] == "RUNNING"


async def test_a_follower_that_waits_for_the_rest_of_a_character_is_held(frontend, task_id, held):
    await some_output(frontend.database, task_id, "€".encode()[:2])
    request = await held(f"task/{task_id}/stdout")

    await some_output(frontend.database, task_id, "€".encode()[2:], start=2)
    frontend.cache.announce(waiting.news_channel(parse_task_id(task_id)))

    reply = await asyncio.wait_for(request, DEADLINE)
    assert (reply.json()["output"], reply.json()["next_offset"]) == ("€", "3")
