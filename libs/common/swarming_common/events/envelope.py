"""The wire form of an event: CloudEvents 1.0 in JSON, one event or a pack of consecutive ones to a message.

Events of tasks are numbered densely by their shard: `(shard, seq)` names an event once and for all, so a consumer drops
what it has seen and notices what it has missed. Events of bots have an id and no number. A message body is one
CloudEvent, or a JSON list of consecutive CloudEvents with the same routing key.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, TypeVar
from urllib.parse import quote

import pydantic_core
from pydantic import BaseModel, ConfigDict, ValidationError

from swarming_common.invalid import in_a_line

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
    """One event as other systems see it; an event of a bot is just this. `pool` is an extension attribute."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: datetime
    subject: str
    datacontenttype: str = "application/json"
    pool: str
    data: dict[str, Any]

    @property
    def name(self) -> str:
        """The event's name without prefix and version: `task.completed`."""
        return self.type.removeprefix(TYPE_PREFIX).rpartition(".v")[0]

    @property
    def routing_key(self) -> str:
        """`bot.connected.default`."""
        return f"{self.name}.{_pool_word(self.pool)}"

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


class NumberedEvent(CloudEvent):
    """An event of a task. Its numbers, in its shard and within its task, are extension attributes too."""

    shard: int
    seq: int
    taskseq: int

    @property
    def routing_key(self) -> str:
        """`task.completed.s07.default`."""
        return f"{self.name}.s{self.shard:02d}.{_pool_word(self.pool)}"


C = TypeVar("C", bound=CloudEvent)


class UnreadableEvent(ValueError):
    """What is no event, or none that its reader knows; the reason is its text."""


def encode(events: Sequence[CloudEvent]) -> bytes:
    """The body of a message: the event itself, or a list of several."""
    return joined([pydantic_core.to_json(one) for one in events])


def joined(bodies: Sequence[bytes]) -> bytes:
    """The body of one message, of those of several with an event each."""
    return bodies[0] if len(bodies) == 1 else b"[" + b",".join(bodies) + b"]"


@dataclass(frozen=True, slots=True)
class UnreadablePart:
    """What is no event in a message; `body` is a message with nothing else in it, `kind` its type, if it has one."""

    kind: str
    reason: str
    body: bytes


def decode_each(body: bytes, kind: type[C]) -> tuple[list[C], list[UnreadablePart]]:
    """The events of a message in their order, and what in it is none; one that is none spoils no other."""
    try:
        parsed = pydantic_core.from_json(body)
    except ValueError as error:
        return [], [UnreadablePart("", f"not JSON: {error}", body)]
    events: list[C] = []
    unreadable: list[UnreadablePart] = []
    for one in parsed if isinstance(parsed, list) else [parsed]:
        try:
            events.append(kind.model_validate(one))
        except ValueError as error:
            type_name = str(one.get("type") or "") if isinstance(one, dict) else ""
            unreadable.append(UnreadablePart(type_name, f"no event: {in_a_line(error)}", pydantic_core.to_json(one)))
    return events, unreadable


def _pool_word(pool: str) -> str:
    """A word of a routing key: percent-encoded, dots too, and cut at 100 bytes."""
    return quote(pool, safe="").replace(".", "%2E")[:MAX_POOL_BYTES] or "-"
