"""Packs of events: consecutive ones with the same routing key share a message."""

from collections.abc import Iterable, Iterator
from itertools import groupby

import pydantic_core

from swarming_common.bus.port import EventMessage
from swarming_common.events.envelope import CloudEvent, joined

PACK_EVENTS = 500

PACK_BYTES = 1_000_000
"""A broker refuses what is too large, and would refuse it for ever."""


def packs(events: Iterable[CloudEvent]) -> list[EventMessage]:
    """The events as messages, in their order. An event larger than a pack goes alone."""
    return [
        EventMessage(key, body)
        for key, group in groupby(events, key=lambda one: one.routing_key)
        for body in _bodies(group)
    ]


def _bodies(events: Iterable[CloudEvent]) -> Iterator[bytes]:
    pack: list[bytes] = []
    size = 0
    for body in map(pydantic_core.to_json, events):
        if pack and (len(pack) == PACK_EVENTS or size + len(body) > PACK_BYTES):
            yield joined(pack)
            pack, size = [], 0
        pack.append(body)
        size += len(body)
    if pack:
        yield joined(pack)
