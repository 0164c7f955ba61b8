"""Packs: consecutive events with one key share a message, as long as it stays small."""

from datetime import UTC, datetime
from typing import Any

from swarming_common.events.envelope import CloudEvent, decode
from swarming_common.events.packs import PACK_BYTES, PACK_EVENTS, packs


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
    events = [an_event(str(number)) for number in range(PACK_EVENTS + 1)]

    assert [len(ids) for _, ids in contents(events)] == [PACK_EVENTS, 1]


def test_a_pack_stays_small_and_an_event_that_is_larger_goes_alone():
    third = "x" * (PACK_BYTES // 3)
    events = [an_event(str(number), text=third) for number in range(3)] + [an_event("large", text=third * 4)]

    assert [ids for _, ids in contents(events)] == [["0", "1"], ["2"], ["large"]]
