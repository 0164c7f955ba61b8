"""Waiting until a server answers."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from tests.servers.errors import ServerFailed
from tests.servers.instance import Instance

START_SECONDS = 90.0
"""Longer than any start on a busy machine; a test's own time limit ends it sooner."""
_PAUSE_SECONDS = 0.05
T = TypeVar("T")


def wait_until_it_answers(instance: Instance, asks: Callable[[], object]) -> None:
    """Return when a question gets an answer; raises ServerFailed when the server died or took too long."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            asks()
            return
        except Exception as error:  # each library has its own way to say "not yet"
            if last_words := instance.died():
                raise ServerFailed(f"the server at {instance.url} died: {last_words}") from error
            if time.monotonic() > deadline:
                raise ServerFailed(f"the server at {instance.url} does not answer: {error!r}") from error
        time.sleep(_PAUSE_SECONDS)


def run(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end, also where an event loop of the test's is already running."""
    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(lambda: asyncio.run(work())).result()
