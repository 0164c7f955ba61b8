"""How a batch of event messages is brought to its handler: again and again until it is digested or parked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import Counter

from swarming_common.bus.port import EventMessage, EventsHandler, Undigestible

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 5.0
"""A failing handler mostly waits for a database; it comes back within seconds of it."""

EVENTS_PARKED = Counter(
    "swarming_bus_events_parked_total",
    "Rises by one when a consumer sets an event message aside because it can never process it.",
    ["queue"],
)

Park = Callable[[EventMessage, str], Awaitable[None]]
"""Sets a message aside with a reason; once it returns the message is safe there."""


async def digest(
    batch: Sequence[EventMessage],
    handle: EventsHandler,
    park: Park,
    *,
    queue: str,
    give_up: asyncio.Event,
) -> list[EventMessage]:
    """Bring a batch until all of it is handled or parked, in order; returns what was not when `give_up` was set."""
    left = list(batch)
    delay = FIRST_RETRY_SECONDS
    while left:
        try:
            await handle(left)
            return []
        except Undigestible as error:
            if _remove(left, error.message):
                await park(error.message, error.reason)
                EVENTS_PARKED.labels(queue).inc()
                log.error("event_parked", queue=queue, routing_key=error.message.routing_key, reason=error.reason)
                continue
            log.exception("events_handler_named_a_foreign_message", queue=queue)
        except Exception:
            log.exception("events_handler_failed", queue=queue, messages=len(left), retry_seconds=delay)
        if await is_set_within(give_up, delay):
            break
        delay = min(2 * delay, MAX_RETRY_SECONDS)
    return left


async def is_set_within(event: asyncio.Event, seconds: float) -> bool:
    """Whether an event is set, waiting for it at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True


def _remove(messages: list[EventMessage], guilty: EventMessage) -> bool:
    """By identity: two messages may be equal, and the handler was given these very objects."""
    for index, message in enumerate(messages):
        if message is guilty:
            del messages[index]
            return True
    return False
