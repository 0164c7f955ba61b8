"""What a batch of messages holds, sorted by what is to be done with it. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import pydantic_core

from swarming_common.bus.pack_size import in_packs
from swarming_common.bus.port import EventMessage, Undigestible
from swarming_common.events.envelope import (
    KnownEvents,
    NumberedEvent,
    UnreadableEvent,
    decode_each,
    joined,
)


@dataclass(frozen=True, slots=True)
class Stranger:
    """An event that cannot be digested, why, and how often it was replayed."""

    event: NumberedEvent
    reason: str
    replays: int = 0


@dataclass(slots=True)
class Batch:
    """The events of some messages, by shard."""

    news: dict[int, list[NumberedEvent]] = field(default_factory=lambda: defaultdict(list))
    """Told by the relay, and known here."""
    told_to: dict[int, int] = field(default_factory=dict)
    """The highest number told of a shard, known here or not."""
    replays: dict[int, list[tuple[NumberedEvent, int]]] = field(default_factory=lambda: defaultdict(list))
    """Known here and brought again by an operator, with how often."""
    strangers: list[Stranger] = field(default_factory=list)
    """Events that are not known here, told or replayed."""
    no_events: list[Undigestible] = field(default_factory=list)


def sort_out(messages: Sequence[EventMessage], known: KnownEvents) -> Batch:
    """Read the messages."""
    batch = Batch()
    for message in messages:
        events, unreadable = decode_each(message.body, NumberedEvent)
        for part in unreadable:
            alone = EventMessage(message.routing_key, part.body, message.replays, message.headers)
            batch.no_events.append(Undigestible(alone, part.reason, part.kind))
        for event in events:
            if message.replays == 0:
                batch.told_to[event.shard] = max(event.seq, batch.told_to.get(event.shard, 0))
            try:
                event.typed(known)
            except UnreadableEvent as error:
                batch.strangers.append(Stranger(event, str(error), message.replays))
            else:
                if message.replays == 0:
                    batch.news[event.shard].append(event)
                else:
                    batch.replays[event.shard].append((event, message.replays))
    return batch


def packed(strangers: Iterable[Stranger]) -> list[Undigestible]:
    """As messages for the dead-letter queue; neighbours with the same trouble go together."""
    messages = []
    for (kind, reason, replays), group in groupby(strangers, key=lambda one: (one.event.type, one.reason, one.replays)):
        events = [one.event for one in group]
        start = 0
        for bodies in in_packs(map(pydantic_core.to_json, events)):
            message = EventMessage(events[start].routing_key, joined(bodies), replays)
            messages.append(Undigestible(message, reason, kind))
            start += len(bodies)
    return messages
