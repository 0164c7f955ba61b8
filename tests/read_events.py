"""Reads messages of events as other systems do: whole, or not at all."""

from typing import TypeVar

from swarming_common.events.envelope import CloudEvent, UnreadableEvent, decode_each

C = TypeVar("C", bound=CloudEvent)


def decode(body: bytes, kind: type[C]) -> list[C]:
    """The events of a message. Raises UnreadableEvent if anything in it is none of this kind."""
    events, unreadable = decode_each(body, kind)
    if unreadable:
        raise UnreadableEvent(unreadable[0].reason)
    return events
