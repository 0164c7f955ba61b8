"""What every message bus promises."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from swarming_common.errors import SwarmingError, Unavailable
from swarming_common.hints.wire import Hint

HintReader = Callable[[Hint], None]
"""Takes one hint; it must not block. When it raises, the hint is parked, as far as a flood of them allows."""


class BusAway(Unavailable):
    """The message bus could not be reached; what was being published may or may not have arrived."""


class Undigestible(SwarmingError):
    """A message that its reader can never process: it is parked with this reason and blocks nothing.

    `kind` says what it is, as far as the reader could make it out.
    """

    def __init__(self, message: "EventMessage", reason: str, kind: str = "") -> None:
        self.message = message
        self.reason = reason
        self.kind = kind
        super().__init__(reason)


@dataclass(frozen=True, slots=True)
class EventMessage:
    """A message on the exchange of events: one event or a pack of them (events/envelope.py)."""

    routing_key: str
    body: bytes
    replays: int = 0
    """How often an operator brought it again after it was parked; 0 for news."""
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)
    """What else it came with."""


EventsHandler = Callable[[Sequence[EventMessage]], Awaitable[None]]
"""Takes what has arrived, in order. Returning acknowledges all of it. Raising Undigestible parks the message it names
and brings the others again; Unavailable brings all of it again after a delay. After some failures of another kind the
messages come one by one, and the one that still fails alone is parked."""


class Mailbox(Protocol):
    """A process's own transient queue of hints; it reads the addresses it listens to, a copy for each listener."""

    async def listen(self, address: str) -> None:
        """Read this address too; repeatable. When it returns, hints sent from now on are read."""

    async def ignore(self, address: str) -> None:
        """Read it no more; repeatable."""

    async def close(self) -> None:
        """Drop the mailbox and what is in it."""


class Subscription(Protocol):
    """A worker reading a durable queue."""

    async def close(self) -> None:
        """Stop reading, after the batch in hand; what is not acknowledged goes to others, or waits."""


class Bus(Protocol):
    """Hints may be lost, doubled, late or out of order. Events arrive at least once, in the order published, on every
    queue that exists, as long as it has one worker.

    Both go on by themselves after a lost connection or a broker that comes back empty: mailboxes, exchanges and queues
    are made again. `connected` tells whether there is a connection just now.
    """

    @property
    def connected(self) -> bool:
        """Whether the bus can be used just now."""

    def on_reconnect(self, call: Callable[[], None]) -> None:
        """Call this each time a lost connection is back, with mailboxes and queues in place."""

    def send(self, address: str, hint: Hint) -> None:
        """Send a hint; it never blocks and never raises. Hints of one loop turn to one address travel packed, in
        order. While the bus is away a bounded buffer keeps the newest."""

    async def open_mailbox(self, read: HintReader) -> Mailbox:
        """A mailbox of one's own, listening to nothing yet."""

    async def publish(self, messages: Sequence[EventMessage]) -> None:
        """Publish events in order; when it returns they are safe on every queue bound to their keys. Raises BusAway:
        then publish again from the first one that is not known to be safe."""

    async def subscribe(self, queue: str, patterns: Sequence[str], handle: EventsHandler) -> Subscription:
        """Read a durable queue bound to these topic patterns (`task.#`). Workers of one queue share its messages;
        different queues each get their copy. The queue outlives its workers."""

    async def park(self, queue: str, what: Sequence[Undigestible]) -> None:
        """Set messages, or parts of them, of this queue aside for an operator (bus/parked.py); once it returns they
        are safe there. For a handler that digests the rest of a message. Raises BusAway."""

    async def close(self) -> None:
        """Send what is buffered, as far as that is possible at once, and disconnect."""
