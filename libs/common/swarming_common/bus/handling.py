"""How a batch of event messages is brought to its handler: again and again until it is digested or parked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import Counter

from swarming_common.bus.port import BusAway, EventMessage, EventsHandler, Undigestible
from swarming_common.errors import Unavailable

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
            await handle(tuple(left))
            return []
        except Undigestible as error:
            if await _was_parked(error, left, park, queue):
                continue
        except Unavailable as error:
            log.warning("events_handler_waits", queue=queue, messages=len(left), retry_seconds=delay, reason=str(error))
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


async def _was_parked(error: Undigestible, left: list[EventMessage], park: Park, queue: str) -> bool:
    index = _position(error.message, left)
    if index is None:
        log.error("events_handler_named_a_foreign_message", queue=queue, reason=error.reason)
        return False
    try:
        await park(error.message, error.reason)
    except BusAway as away:
        log.warning("event_not_parked_yet", queue=queue, reason=str(away))
        return False
    del left[index]
    EVENTS_PARKED.labels(queue).inc()
    log.error("event_parked", queue=queue, routing_key=error.message.routing_key, reason=error.reason)
    return True


def _position(guilty: EventMessage, messages: Sequence[EventMessage]) -> int | None:
    """By identity: two messages may be equal, and the handler was given these very objects."""
    return next((index for index, message in enumerate(messages) if message is guilty), None)
