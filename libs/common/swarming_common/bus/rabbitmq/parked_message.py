"""What is parked, as messages of RabbitMQ."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from aio_pika.abc import AbstractIncomingMessage
from aiormq import spec
from aiormq.abc import ArgumentsType

from swarming_common.bus.parked import MAX_PARKED_BYTES, MAX_PARKED_MESSAGES, Origin, Parked
from swarming_common.bus.port import EventMessage

PARKED_QUEUE = "swarming.parked"

PARKED_QUEUE_ARGUMENTS: ArgumentsType = {
    "x-queue-type": "quorum",
    "x-max-length": MAX_PARKED_MESSAGES,
    "x-max-length-bytes": MAX_PARKED_BYTES,
    # Refusing new ones instead would hold up every reader that meets something it cannot digest.
    "x-overflow": "drop-head",
    # Looking at a message gives it back; RabbitMQ 4 would drop it the twentieth time.
    "x-delivery-limit": 1_000_000,
}

REPLAYS_HEADER = "swarming-replays"
ROUTING_KEY_HEADER = "swarming-routing-key"
"""A replay goes straight to a queue, so the key that the message first had is told apart."""

MAX_HEADERS_CHARACTERS = 10_000
"""All headers must fit into one frame."""


def as_properties(parked: Parked) -> spec.Basic.Properties:
    """All of it but the body."""
    headers = json.dumps(dict(parked.headers))
    return spec.Basic.Properties(
        delivery_mode=2,
        content_type="application/json",
        message_id=parked.id,
        timestamp=parked.parked_at,
        headers={
            "parked_at": parked.parked_at.isoformat(),
            "origin": parked.origin.value,
            "source": parked.source,
            "kind": parked.kind,
            "reason": parked.reason,
            "process": parked.process,
            "tries": parked.tries,
            "routing_key": parked.routing_key,
            "headers": headers if len(headers) <= MAX_HEADERS_CHARACTERS else "{}",
        },
    )


def as_parked(message: AbstractIncomingMessage) -> Parked:
    """The way back; whatever else was put into the queue is shown as well as it can be."""
    given = message.headers or {}
    return Parked(
        id=message.message_id or f"unnamed-{message.delivery_tag}",
        parked_at=_moment(given.get("parked_at")),
        origin=Origin.MAILBOX if given.get("origin") == Origin.MAILBOX.value else Origin.QUEUE,
        source=str(given.get("source") or ""),
        kind=str(given.get("kind") or ""),
        reason=str(given.get("reason") or ""),
        process=str(given.get("process") or ""),
        tries=_number(given.get("tries")),
        routing_key=str(given.get("routing_key") or ""),
        headers=_headers(given.get("headers")),
        body=message.body,
    )


def as_event_message(message: AbstractIncomingMessage, queue: str) -> EventMessage:
    """A message of a queue of events, fresh or replayed."""
    headers = {name: str(value) for name, value in (message.headers or {}).items()}
    replays = _number(headers.pop(REPLAYS_HEADER, None))
    key = message.routing_key or ""
    if replays and key == queue:
        key = headers.pop(ROUTING_KEY_HEADER, key)
    return EventMessage(key, message.body, replays, headers)


def replays_of(headers: Mapping[str, Any] | None) -> int:
    """How often a message was replayed, by its headers."""
    return _number(headers.get(REPLAYS_HEADER)) if headers else 0


def _number(given: object) -> int:
    text = str(given)
    return int(text) if text.isdecimal() else 0


def _moment(given: object) -> datetime:
    try:
        return datetime.fromisoformat(str(given))
    except ValueError:
        return datetime.fromtimestamp(0, UTC)


def _headers(given: object) -> dict[str, str]:
    try:
        parsed = json.loads(str(given))
    except ValueError:
        return {}
    return {str(name): str(value) for name, value in parsed.items()} if isinstance(parsed, dict) else {}
