"""A subscriber of its own, as another system would have it: a durable queue on the bus that gets every event."""

import asyncio
import threading
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from swarming_common.bus.port import EventMessage
from swarming_common.bus.rabbitmq import open_rabbitmq
from swarming_common.events.envelope import NumberedEvent
from tests.read_events import decode


class EventTap:
    """Collects events while its context is open, in a thread of its own. `events` is in the order of arrival."""

    def __init__(self, bus_url: str) -> None:
        self.events: list[NumberedEvent] = []
        self._bus_url = bus_url
        self._queue = f"test.{uuid.uuid4().hex}"
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._thread = threading.Thread(target=lambda: self._loop.run_until_complete(self._listen()), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(30), "the bus did not answer"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()

    def wait_until(self, is_enough: Callable[[Sequence[NumberedEvent]], bool], seconds: float) -> None:
        """Return when what has arrived is enough; raises AssertionError when it takes too long."""
        with self._changed:
            assert self._changed.wait_for(lambda: is_enough(self.events), seconds), (
                f"after {seconds} s only {len(self.events)} events have arrived"
            )

    async def _listen(self) -> None:
        bus = await open_rabbitmq(self._bus_url)
        subscription = await bus.subscribe(self._queue, ["task.#"], self._take)
        self._ready.set()
        await self._stopping.wait()
        await subscription.close()
        await bus.close()

    async def _take(self, messages: Sequence[EventMessage]) -> None:
        with self._changed:
            self.events += [one for message in messages for one in decode(message.body, NumberedEvent)]
            self._changed.notify_all()
