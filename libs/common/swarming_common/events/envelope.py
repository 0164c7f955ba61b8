"""The wire form of an event: CloudEvents 1.0 in JSON, one event or a pack of consecutive ones to a message.

Events of a shard are numbered densely: `(shard, seq)` names an event once and for all, so a consumer drops what it
has seen and notices what it has missed. A message body is one CloudEvent, or a JSON list of consecutive CloudEvents
with the same routing key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

TYPE_PREFIX = "swarming."
MAX_POOL_BYTES = 100


class Event(BaseModel):
    """The data of an event. Subclasses carry ids and facts, never secrets, environment or output."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ClassVar[str]
    version: ClassVar[int]


KnownEvents = Mapping[tuple[str, int], type[Event]]
"""Event types by name and version."""

KNOWN: dict[tuple[str, int], type[Event]] = {}

E = TypeVar("E", bound=type[Event])


def event(name: str, version: int) -> Callable[[E], E]:
    """Register an event type; adding an optional field keeps the version, changing meaning makes a new one."""

    def register(cls: E) -> E:
        cls.name, cls.version = name, version
        KNOWN[name, version] = cls
        return cls

    return register


class CloudEvent(BaseModel):
    """One event as other systems see it. `shard`, `seq`, `taskseq` and `pool` are extension attributes."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    subject: str
    datacontenttype: str = "application/json"
    shard: int
    seq: int
    taskseq: int
    pool: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """The event's name without prefix and version: `task.completed`."""
        return self.type.removeprefix(TYPE_PREFIX).rpartition(".v")[0]

    def typed(self, known: KnownEvents | None = None) -> Event:
        """The data as its registered type, or as one of `known`. Raises UnreadableEvent for what is not one."""
        kinds = KNOWN if known is None else known
        name, _, version = self.type.removeprefix(TYPE_PREFIX).rpartition(".v")
        kind = kinds.get((name, int(version) if version.isdecimal() else 0))
        if kind is None:
            versions = " and ".join(str(one) for other, one in sorted(kinds) if other == name)
            if versions:
                raise UnreadableEvent(f"version {version} of {name}, this consumer knows {versions}")
            raise UnreadableEvent(f"unknown event type {self.type!r}")
        try:
            return kind.model_validate(self.data)
        except ValidationError as error:
            raise UnreadableEvent(str(error)) from error


class UnreadableEvent(ValueError):
    """What is no event, or none that its reader knows; the reason is its text."""


def routing_key(name: str, shard: int, pool: str) -> str:
    """`task.completed.s07.default`; the pool is percent-encoded, dots too, and cut at 100 bytes."""
    word = quote(pool, safe="").replace(".", "%2E")[:MAX_POOL_BYTES] or "-"
    return f"{name}.s{shard:02d}.{word}"


def encode(events: Sequence[CloudEvent]) -> bytes:
    """The body of a message: the event itself, or a list of several."""
    return pydantic_core.to_json(events[0] if len(events) == 1 else list(events))


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """What is no event in a message; `body` is a message with nothing else in it, `kind` its type, if it has one."""

    kind: str
    reason: str
    body: bytes


def decode(body: bytes) -> list[CloudEvent]:
    """The events of a message. Raises UnreadableEvent if anything in it is none."""
    events, unreadable = decode_each(body)
    if unreadable:
        raise UnreadableEvent(unreadable[0].reason)
    return events


def decode_each(body: bytes) -> tuple[list[CloudEvent], list[UnreadablePart]]:
    """The events of a message in their order, and what in it is none; one that is none spoils no other."""
    try:
        parsed = pydantic_core.from_json(body)
    except ValueError as error:
        return [], [UnreadablePart("", f"not JSON: {error}", body)]
    events: list[CloudEvent] = []
    unreadable: list[UnreadablePart] = []
    for one in parsed if isinstance(parsed, list) else [parsed]:
        try:
            events.append(CloudEvent.model_validate(one))
        except ValueError as error:
            kind = str(one.get("type") or "") if isinstance(one, dict) else ""
            unreadable.append(UnreadablePart(kind, f"no event: {error}", pydantic_core.to_json(one)))
    return events, unreadable
