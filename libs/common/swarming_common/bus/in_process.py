"""The embedded bus: everything stays in this process, yet each hint is serialised and read as if it had travelled."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace

import structlog

from swarming_common.bus.handling import digest, park_notes
from swarming_common.bus.packing import OutgoingHints, read_pack
from swarming_common.bus.parked import Origin, Parked, this_process
from swarming_common.bus.parked_file import ParkedFile
from swarming_common.bus.parked_hints import HintParking
from swarming_common.bus.port import BusAway, EventMessage, EventsHandler, HintReader, Undigestible
from swarming_common.bus.routing import check_key, matches
from swarming_common.hints.wire import Hint

log = structlog.get_logger(__name__)

MAX_BATCH = 100

LOOK_FOR_REPLAYS_SECONDS = 1.0
"""An operator's command is another process; it leaves a mark in the file of what is parked."""


class InProcessBus:
    """A bus for one process and one event loop.

    Nothing survives the process, so `publish` returns only when every handler has acknowledged: an event counts as
    told when the consumers' commits are done. While a queue has no worker its messages wait, and so do their
    publishers. Closing the bus raises BusAway to those.
    """

    def __init__(self, parked: ParkedFile | None = None, service: str = "swarming") -> None:
        """`parked` is where what cannot be digested goes; without it, memory. `service` signs it."""
        self._parked = parked or ParkedFile()
        self._parked.on_mark(self._replay)
        self._process = this_process(service)
        self._hint_parking = HintParking(self._process, lambda parked: self._parked.put([parked]))
        self._looking: asyncio.Task[None] | None = None
        self._replaying: set[str] = set()
        self._hints = OutgoingHints(self._flush_soon)
        self._mailboxes: dict[str, list[_Mailbox]] = {}
        self._queues: dict[str, _Queue] = {}
        self._publications: set[_Publication] = set()
        self._subscriptions: set[_Subscription] = set()
        self._is_closed = False

    @property
    def connected(self) -> bool:
        """True until it is closed."""
        return not self._is_closed

    def on_reconnect(self, call: Callable[[], None]) -> None:
        """The connection is never lost, so nothing is ever called."""

    def send(self, address: str, hint: Hint) -> None:
        """See the port."""
        if not self._is_closed:
            self._hints.add(address, hint)

    async def open_mailbox(self, read: HintReader) -> "_Mailbox":
        """See the port."""
        self._look_for_replays()
        return _Mailbox(self._mailboxes, read, self._hint_parking)

    async def publish(self, messages: Sequence[EventMessage]) -> None:
        """See the port; returns when all handlers of all queues have acknowledged."""
        if self._is_closed:
            raise BusAway
        for message in messages:
            check_key(message.routing_key)
        deliveries = [
            (queue, message)
            for message in messages
            for queue in self._queues.values()
            if queue.wants(message.routing_key)
        ]
        if not deliveries:
            return
        publication = self._begin(deliveries)
        try:
            await publication.settled
        finally:
            self._publications.discard(publication)

    async def subscribe(self, queue: str, patterns: Sequence[str], handle: EventsHandler) -> "_Subscription":
        """See the port. A queue exists from its first subscription on, as long as the process lives."""
        self._look_for_replays()
        known = self._queues.setdefault(queue, _Queue(queue, self.park))
        known.patterns.update(patterns)
        subscription = _Subscription(known, handle, self._subscriptions)
        self._subscriptions.add(subscription)
        return subscription

    async def park(self, queue: str, what: Sequence[Undigestible]) -> None:
        """See the port."""
        self._parked.put(park_notes(queue, what, self._process))

    async def close(self) -> None:
        """See the port."""
        if self._looking is not None:
            self._looking.cancel()
        await asyncio.gather(*(subscription.close() for subscription in tuple(self._subscriptions)))
        self._flush()
        self._is_closed = True
        for publication in self._publications:
            publication.fail(BusAway())
        self._parked.close()

    def _flush_soon(self) -> None:
        asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        for address, body in self._hints.take():
            for mailbox in list(self._mailboxes.get(address, ())):
                mailbox.deliver(address, body)

    def _begin(self, deliveries: "Sequence[tuple[_Queue, EventMessage]]") -> "_Publication":
        publication = _Publication(len(deliveries))
        self._publications.add(publication)
        for queue, message in deliveries:
            # A copy for each queue: parking goes by identity.
            copy = replace(message, body=bytes(message.body))
            queue.put(_Delivery(copy, publication))
        return publication

    def _look_for_replays(self) -> None:
        if self._looking is None and not self._is_closed:
            self._looking = asyncio.create_task(self._look(), name="look for replays")

    async def _look(self) -> None:
        while True:
            try:
                self._replay()
            except Exception:
                log.exception("replay_failed")
            await asyncio.sleep(LOOK_FOR_REPLAYS_SECONDS)

    def _replay(self) -> None:
        if self._is_closed:
            return
        for parked in self._parked.to_replay():
            if parked.origin is Origin.MAILBOX:
                self._replay_hint(parked)
            elif parked.source in self._queues and parked.id not in self._replaying:
                self._replay_events(parked)

    def _replay_hint(self, parked: Parked) -> None:
        mailboxes = list(self._mailboxes.get(parked.source, ()))
        if mailboxes:
            self._parked.remove(parked.id)
        for mailbox in mailboxes:
            mailbox.deliver(parked.source, parked.body, parked.tries)

    def _replay_events(self, parked: Parked) -> None:
        message = EventMessage(parked.routing_key, parked.body, parked.tries, parked.headers)
        publication = self._begin([(self._queues[parked.source], message)])
        self._replaying.add(parked.id)

        def settled(future: "asyncio.Future[None]") -> None:
            # Until then it stays in the file, marked: it comes again after a crash.
            self._publications.discard(publication)
            self._replaying.discard(parked.id)
            if future.exception() is None and not self._is_closed:
                self._parked.remove(parked.id)

        publication.settled.add_done_callback(settled)


class _Mailbox:
    def __init__(self, by_address: "dict[str, list[_Mailbox]]", read: HintReader, parking: HintParking) -> None:
        self._by_address = by_address
        self._read = read
        self._parking = parking

    async def listen(self, address: str) -> None:
        check_key(address)
        mailboxes = self._by_address.setdefault(address, [])
        if self not in mailboxes:
            mailboxes.append(self)

    async def ignore(self, address: str) -> None:
        mailboxes = self._by_address.get(address, [])
        if self in mailboxes:
            mailboxes.remove(self)
        if not mailboxes:
            self._by_address.pop(address, None)

    async def close(self) -> None:
        for address in list(self._by_address):
            await self.ignore(address)

    def deliver(self, address: str, body: bytes, replays: int = 0) -> None:
        read_pack(body, self._read, lambda hint: self._parking.park(address, hint, replays))


class _Publication:
    """What one call of `publish` waits for."""

    def __init__(self, deliveries: int) -> None:
        self._open = deliveries
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def settle_one(self) -> None:
        self._open -= 1
        if self._open == 0 and not self.settled.done():
            self.settled.set_result(None)

    def fail(self, error: BusAway) -> None:
        if not self.settled.done():
            self.settled.set_exception(error)


@dataclass(frozen=True, slots=True)
class _Delivery:
    message: EventMessage
    publication: _Publication


@dataclass
class _Queue:
    name: str
    set_aside: Callable[[str, Sequence[Undigestible]], Awaitable[None]]
    patterns: set[str] = field(default_factory=set)
    waiting: deque[_Delivery] = field(default_factory=deque)
    filled: asyncio.Event = field(default_factory=asyncio.Event)

    def wants(self, routing_key: str) -> bool:
        return any(matches(pattern, routing_key) for pattern in self.patterns)

    def put(self, delivery: _Delivery) -> None:
        self.waiting.append(delivery)
        self.filled.set()

    def put_back(self, deliveries: Sequence[_Delivery]) -> None:
        self.waiting.extendleft(reversed(deliveries))
        self.filled.set()

    async def take(self, closing: asyncio.Event) -> list[_Delivery]:
        while not self.waiting and not closing.is_set():
            self.filled.clear()
            await self.filled.wait()
        if closing.is_set():
            return []
        return [self.waiting.popleft() for _ in range(min(len(self.waiting), MAX_BATCH))]

    async def park(self, error: Undigestible) -> None:
        await self.set_aside(self.name, [error])


class _Subscription:
    """One worker: a task that takes what waits and brings it to the handler."""

    def __init__(self, queue: _Queue, handle: EventsHandler, siblings: "set[_Subscription]") -> None:
        self._queue = queue
        self._handle = handle
        self._siblings = siblings
        self._closing = asyncio.Event()
        self._work = asyncio.create_task(self._run(), name=f"worker of {queue.name}")

    async def close(self) -> None:
        self._siblings.discard(self)
        self._closing.set()
        self._queue.filled.set()
        await asyncio.wait([self._work])

    async def _run(self) -> None:
        while batch := await self._queue.take(self._closing):
            undone = await digest(
                [delivery.message for delivery in batch],
                self._handle,
                self._queue.park,
                queue=self._queue.name,
                give_up=self._closing,
            )
            still_open = {id(message) for message in undone}
            for delivery in batch:
                if id(delivery.message) not in still_open:
                    delivery.publication.settle_one()
            self._queue.put_back([delivery for delivery in batch if id(delivery.message) in still_open])
