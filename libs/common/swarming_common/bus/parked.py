"""What could not be digested: set aside with its reason, for an operator to look at, replay or drop.

There is one dead-letter queue for an installation. It is bounded, and the oldest go first: what is parked of events is
in `task_event` too, and hints may be lost anyway, while a full queue that refused more would hold up its readers.
"""

import os
import secrets
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Protocol

from swarming_common.errors import Unavailable

MAX_PARKED_MESSAGES = 10_000
MAX_PARKED_BYTES = 100_000_000
"""Bounds of the dead-letter queue: far more than anybody reads, and nothing that a disk would feel."""

MAX_REASON_CHARACTERS = 1000
MAX_KIND_CHARACTERS = 200
"""On RabbitMQ both are headers, which must fit into one frame."""


class Origin(StrEnum):
    """What kind of reader parked a message."""

    QUEUE = "queue"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A message that its reader could not digest."""

    id: str
    parked_at: datetime
    """By the clock of the host that parked it: an operator reads it, nothing is decided by it."""
    origin: Origin
    source: str
    """The queue of events, or the address of the mailbox, that it came from and is replayed to."""
    kind: str
    """The event type or hint as far as it could be made out; empty for what is neither."""
    reason: str
    process: str
    """Who parked it: `stats on host7, process 4711`."""
    tries: int
    """How often it was brought to a reader: 1, and one more for each replay."""
    routing_key: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the messages that were asked for, by id; one that is in neither list is not parked any more."""

    done: Sequence[str]
    unread: Sequence[str] = ()
    """Not replayed, and still parked: there is no reader where they came from."""


class Parking(Protocol):
    """The dead-letter queue as an operator sees it.

    Raises BusAway, and ParkingBusy where only one can look at a time.
    """

    async def parked(self, limit: int = MAX_PARKED_MESSAGES) -> Sequence[Parked]:
        """What is parked, oldest first; it stays there."""

    async def replay(self, ids: Collection[str] | None = None) -> Outcome:
        """Bring these (None: all) to where they came from, to nobody else, and take them out of the queue. What can
        still not be digested is parked anew, under another id."""

    async def drop(self, ids: Collection[str] | None = None) -> Outcome:
        """Remove these (None: all) for good."""


class ParkingBusy(Unavailable):
    """Somebody else is looking at what is parked just now; try again in a moment."""


class ParkingUnusable(Unavailable):
    """The place of what is parked cannot be used: a full disk, say, or something else in its place."""


def park_note(
    *,
    origin: Origin,
    source: str,
    kind: str,
    reason: str,
    process: str,
    replays: int,
    routing_key: str,
    body: bytes,
    headers: Mapping[str, str] | None = None,
) -> Parked:
    """A message with all that an operator wants to know of it, and a new id."""
    return Parked(
        id=secrets.token_hex(5),
        parked_at=datetime.now(UTC),
        origin=origin,
        source=source,
        kind=kind[:MAX_KIND_CHARACTERS],
        reason=reason[:MAX_REASON_CHARACTERS],
        process=process,
        tries=replays + 1,
        routing_key=routing_key,
        headers=headers or {},
        body=body,
    )


def this_process(service: str) -> str:
    """How this process signs what it parks."""
    return f"{service} on {socket.gethostname()}, process {os.getpid()}"
