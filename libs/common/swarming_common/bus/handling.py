"""How a batch of event messages is brought to its handler: again and again until it is digested or parked."""

import asyncio
from collections import Counter as Counts
from collections.abc import Awaitable, Callable, Sequence

import structlog
from prometheus_client import Counter

from swarming_common.bus.parked import Origin, Parked, park_note
from swarming_common.bus.port import EventMessage, EventsHandler, Undigestible
from swarming_common.errors import Unavailable

log = structlog.get_logger(__name__)

FIRST_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 5.0
"""A failing handler mostly waits for a database; it comes back within seconds of it."""

MAX_FAILURES = 5
"""So often, over some three seconds, a batch comes again whole; then its messages come one by one, and one that still
fails, alone, is parked. It is followed by a delay too: what fails may be something that all of them need."""

EVENTS_PARKED = Counter(
    "swarming_bus_events_parked_total",
    "Rises by one when a consumer sets an event message aside because it cannot process it.",
    ["queue"],
)

Park = Callable[[Undigestible], Awaitable[None]]
"""Sets a message aside with a reason; once it returns the message is safe there. Raises Unavailable."""


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
    failures = 0
    while left:
        brought = left if failures < MAX_FAILURES else left[:1]
        try:
            await handle(tuple(brought))
            left = left[len(brought) :]
            continue
        except Undigestible as error:
            if await _was_parked(error, left, park, queue):
                continue
        except Unavailable as error:
            log.warning("events_handler_waits", queue=queue, messages=len(left), retry_seconds=delay, reason=str(error))
        except Exception as error:
            log.exception("events_handler_failed", queue=queue, messages=len(brought), retry_seconds=delay)
            if failures >= MAX_FAILURES:
                await _was_parked(Undigestible(left[0], f"its handling failed: {error!r}"), left, park, queue)
            failures += 1
        if await is_set_within(give_up, delay):
            break
        delay = min(2 * delay, MAX_RETRY_SECONDS)
    return left


def park_notes(queue: str, what: Sequence[Undigestible], process: str) -> list[Parked]:
    """What to put into the dead-letter queue; it is counted and logged here, since it is about to be."""
    EVENTS_PARKED.labels(queue).inc(len(what))
    for (kind, reason), messages in Counts((one.kind, one.reason) for one in what).items():
        # One line for all of a flood that came at once.
        log.error("event_parked", queue=queue, kind=kind, reason=reason, messages=messages)
    return [
        park_note(
            origin=Origin.QUEUE,
            source=queue,
            kind=one.kind,
            reason=one.reason,
            process=process,
            replays=one.message.replays,
            routing_key=one.message.routing_key,
            headers=one.message.headers,
            body=one.message.body,
        )
        for one in what
    ]


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
        await park(error)
    except Exception as away:
        log.warning("event_not_parked_yet", queue=queue, reason=repr(away))
        return False
    del left[index]
    return True


def _position(guilty: EventMessage, messages: Sequence[EventMessage]) -> int | None:
    """By identity: two messages may be equal, and the handler was given these very objects."""
    return next((index for index, message in enumerate(messages) if message is guilty), None)
