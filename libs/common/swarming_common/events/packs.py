"""Packs of events: consecutive ones with the same routing key share a message."""

from collections.abc import Iterable
from itertools import groupby

import pydantic_core

from swarming_common.bus.pack_size import in_packs
from swarming_common.bus.port import EventMessage
from swarming_common.events.envelope import CloudEvent, joined


def packs(events: Iterable[CloudEvent]) -> list[EventMessage]:
    """The events as messages, in their order. An event larger than a pack goes alone."""
    return [
        EventMessage(key, joined(bodies))
        for key, group in groupby(events, key=lambda one: one.routing_key)
        for bodies in in_packs(map(pydantic_core.to_json, group))
    ]
