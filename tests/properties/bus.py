"""A bus that loses, doubles, delays and reorders hints as its mood is."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from swarming_common.bus.port import BusAway, EventMessage, HintReader
from swarming_common.hints.scheduler import RunsHeard
from swarming_common.hints.wire import Hint, decode, encode

TRAVEL_SECONDS = 0.001
LOST_IN_A_ROW = 2
"""Of the words about one run; it is assumed that no more are lost while the broker is there."""
LATEST_WORD_SECONDS = 1.5
"""And that none is later."""


@dataclass(frozen=True, slots=True)
class Mood:
    """How the bus treats hints: chances from 0 to 1, and the longest delay in seconds."""

    lose: float = 0.0
    double: float = 0.0
    delay: float = 0.0
    longest_delay: float = 0.0


MOODS = {
    "good": Mood(),
    "reordering": Mood(delay=0.6, longest_delay=1.5),
    "doubling": Mood(double=0.7, delay=0.3, longest_delay=15.0),
    "losing": Mood(lose=0.4, double=0.1, delay=0.2, longest_delay=1.0),
    "deaf": Mood(lose=1.0),
}


class Broker:
    """Carries hints from `send` to whoever reads an address when they arrive."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        chance: Random,
        publish: Callable[[EventMessage], None],
        *,
        serialises: bool,
    ) -> None:
        self._loop = loop
        self.mood = Mood()
        self.is_down = False
        self.links: list[Link] = []
        self.publish = publish
        self._chance = chance
        self._serialises = serialises
        self._readers: dict[str, dict[Mail, None]] = {}
        self._lost_in_a_row: dict[tuple[int, int], int] = {}

    def listen(self, address: str, mail: "Mail") -> None:
        """From now on this reader gets a copy of what arrives at an address."""
        self._readers.setdefault(address, {})[mail] = None

    def ignore(self, address: str, mail: "Mail") -> None:
        """No more."""
        self._readers.get(address, {}).pop(mail, None)

    def send(self, address: str, hint: Hint) -> None:
        """Whatever becomes of it, the sender never knows."""
        if self.is_down or self._is_lost(hint):
            return
        if self._serialises:
            [hint], unreadable = decode(encode([hint]))
            assert not unreadable
        mood = self.mood
        copies = 2 if mood.double and self._chance.random() < mood.double else 1
        for _ in range(copies):
            is_late = mood.delay > 0 and self._chance.random() < mood.delay
            longest = (
                min(mood.longest_delay, LATEST_WORD_SECONDS) if isinstance(hint, RunsHeard) else mood.longest_delay
            )
            seconds = self._chance.uniform(0, longest) if is_late else TRAVEL_SECONDS
            self._loop.call_later(seconds, self._deliver, address, hint)

    def go_down(self) -> None:
        """The broker is away, and what was under way with it."""
        self.is_down = True

    def come_back(self) -> None:
        """Every connection is back."""
        if self.is_down:
            self.is_down = False
            for link in list(self.links):
                link.tell_reconnected()

    def _is_lost(self, hint: Hint) -> bool:
        is_lost = self.mood.lose > 0 and self._chance.random() < self.mood.lose
        if not isinstance(hint, RunsHeard):
            return is_lost
        is_lost = is_lost and all(self._lost_in_a_row.get(run, 0) < LOST_IN_A_ROW for run in hint.runs)
        for run in hint.runs:
            if is_lost:
                self._lost_in_a_row[run] = self._lost_in_a_row.get(run, 0) + 1
            else:
                self._lost_in_a_row.pop(run, None)
        return is_lost

    def _deliver(self, address: str, hint: Hint) -> None:
        if not self.is_down:
            for mail in list(self._readers.get(address, ())):
                mail.deliver(hint)


class Link:
    """The bus port of one process. One that is stopped sends nothing and gets its mail later; one that died, never."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._on_reconnect: list[Callable[[], None]] = []
        self._mails: list[Mail] = []
        self._unsent: list[tuple[str, Hint]] = []
        self.is_stopped = False
        self.is_dead = False
        broker.links.append(self)

    @property
    def connected(self) -> bool:
        """Whether the broker is there."""
        return not self._broker.is_down

    def on_reconnect(self, call: Callable[[], None]) -> None:
        """Called when the broker is back."""
        self._on_reconnect.append(call)

    def tell_reconnected(self) -> None:
        """The broker is back."""
        for call in self._on_reconnect:
            if not self.is_dead:
                call()

    def send(self, address: str, hint: Hint) -> None:
        """Send a hint."""
        if self.is_stopped:
            self._unsent.append((address, hint))
        elif not self.is_dead:
            self._broker.send(address, hint)

    async def open_mailbox(self, read: HintReader) -> "Mail":
        """A mailbox."""
        mail = Mail(self._broker, self, read)
        self._mails.append(mail)
        return mail

    async def publish(self, messages: Sequence[EventMessage]) -> None:
        """Events go to whoever watches the world."""
        if self._broker.is_down or self.is_dead or self.is_stopped:
            raise BusAway
        for message in messages:
            self._broker.publish(message)

    async def subscribe(self, queue: str, patterns: Sequence[str], handle: Any) -> Any:
        """Nobody does here."""
        raise NotImplementedError

    async def park(self, queue: str, what: Any) -> None:
        """Nobody does here."""
        raise NotImplementedError

    async def close(self) -> None:
        """The process is gone."""
        self.die()

    def stop(self) -> None:
        """The process does not run just now."""
        self.is_stopped = True

    def wake(self) -> None:
        """It does again: what it would have said it says now, and reads its mail."""
        self.is_stopped = False
        unsent, self._unsent = self._unsent, []
        for address, hint in unsent:
            self.send(address, hint)
        for mail in self._mails:
            mail.read_kept()

    def die(self) -> None:
        """Nothing is sent or read any more."""
        self.is_dead = True
        if self in self._broker.links:
            self._broker.links.remove(self)


@dataclass(eq=False)
class Mail:
    """A mailbox."""

    broker: Broker
    link: Link
    read: HintReader
    addresses: set[str] = field(default_factory=set)
    kept: list[Hint] = field(default_factory=list)

    async def listen(self, address: str) -> None:
        """Read this address too."""
        self.addresses.add(address)
        self.broker.listen(address, self)

    async def ignore(self, address: str) -> None:
        """Read it no more."""
        self.addresses.discard(address)
        self.broker.ignore(address, self)

    async def close(self) -> None:
        """Drop it."""
        for address in list(self.addresses):
            await self.ignore(address)

    def deliver(self, hint: Hint) -> None:
        """A hint arrived."""
        if self.link.is_stopped:
            self.kept.append(hint)
        elif not self.link.is_dead:
            self.read(hint)

    def read_kept(self) -> None:
        """What arrived while the process was stopped."""
        kept, self.kept = self.kept, []
        for hint in kept:
            self.read(hint)
