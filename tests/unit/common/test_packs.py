"""Packs: consecutive events with one key, or hints to one address, share a message, as long as it stays small."""

from datetime import UTC, datetime
from typing import Any

from prometheus_client import REGISTRY

from swarming_common.bus.pack_size import MAX_MESSAGE_BYTES, PACK_BYTES, PACK_ITEMS
from swarming_common.bus.packing import OutgoingHints
from swarming_common.events.batch import Stranger, packed
from swarming_common.events.envelope import CloudEvent, NumberedEvent
from swarming_common.events.packs import packs
from swarming_common.hints import wire
from swarming_common.hints.scheduler import CommandGiven
from tests.read_events import decode


def an_event(event_id: str, pool: str = "default", **data: Any) -> CloudEvent:
    return CloudEvent(
        id=event_id,
        source="/swarming/bots",
        type="swarming.bot.died.v1",
        time=datetime(2026, 11, 23, 17, 8, 32, tzinfo=UTC),
        subject="bot1",
        pool=pool,
        data=data,
    )


def contents(events: list[CloudEvent]) -> list[tuple[str, list[str]]]:
    return [(one.routing_key, [event.id for event in decode(one.body, CloudEvent)]) for one in packs(events)]


def test_only_neighbours_with_the_same_key_share_a_message():
    events = [an_event("1"), an_event("2"), an_event("3", pool="a.b"), an_event("4")]

    assert contents(events) == [
        ("bot.died.default", ["1", "2"]),
        ("bot.died.a%2Eb", ["3"]),
        ("bot.died.default", ["4"]),
    ]


def test_a_pack_has_at_most_so_many_events():
    events = [an_event(str(number)) for number in range(PACK_ITEMS + 1)]

    assert [len(ids) for _, ids in contents(events)] == [PACK_ITEMS, 1]


def test_a_pack_stays_small_and_an_event_that_is_larger_goes_alone():
    third = "x" * (PACK_BYTES // 3)
    events = [an_event(str(number), text=third) for number in range(3)] + [an_event("large", text=third * 4)]

    assert [ids for _, ids in contents(events)] == [["0", "1"], ["2"], ["large"]]


def test_events_that_are_parked_together_stay_small_too():
    fields = an_event("1", text="x" * (PACK_BYTES // 3)).model_dump()
    events = [NumberedEvent(**fields, shard=3, seq=number, taskseq=number) for number in range(1, 6)]

    messages = packed(Stranger(event, "no such type") for event in events)

    parked = [decode(one.message.body, NumberedEvent) for one in messages]
    assert parked == [events[:2], events[2:4], events[4:]]


def a_hint(size: int) -> CommandGiven:
    """One that takes about so many bytes."""
    return CommandGiven(command_id="x" * size)


def taken(*hints: CommandGiven) -> list[bytes]:
    """The messages that these hints to one address become."""
    outgoing = OutgoingHints(wake=lambda: None)
    for hint in hints:
        outgoing.add("shard.1", hint)
    return [body for _, body in outgoing.take()]


def test_hints_that_are_large_together_go_in_several_messages():
    hints = [a_hint(PACK_BYTES // 3)] * 30

    bodies = taken(*hints)

    assert [hint for body in bodies for hint in wire.decode(body)[0]] == hints
    assert max(map(len, bodies)) < 1.1 * PACK_BYTES


def test_a_hint_that_is_larger_than_a_pack_goes_alone():
    small, large = a_hint(1), a_hint(MAX_MESSAGE_BYTES - 100)

    assert [wire.decode(body)[0] for body in taken(small, large, small)] == [[small], [large], [small]]


def test_a_hint_that_is_too_large_for_a_message_is_dropped_and_counted():
    small = a_hint(1)
    before = hints_dropped()

    assert [wire.decode(body)[0] for body in taken(small, a_hint(MAX_MESSAGE_BYTES), small)] == [[small, small]]

    assert hints_dropped() == before + 1


def hints_dropped() -> float:
    return REGISTRY.get_sample_value("swarming_bus_hints_dropped_total") or 0.0
