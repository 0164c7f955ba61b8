"""What of a bot's history is told, and its wire form, which others rely on."""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from swarming_botgateway.public_events import TOLD_TYPES, public_events
from swarming_botgateway.usecases.record_event import ALLOWED_EVENTS
from swarming_common.events.bots import MAX_TEXT_LENGTH
from swarming_common.events.envelope import KNOWN, CloudEvent, encode
from tests.read_events import decode

GOLDEN = Path(__file__).parents[1] / "common" / "golden"
MOMENT = datetime(2026, 11, 23, 17, 8, 32, 825102, tzinfo=UTC)
PERSON = "user:someone@example.com"


@dataclass(frozen=True, kw_only=True)
class Row:
    """Of `bot_event`, as the feed brings it."""

    event_type: str
    tx: int = 7
    bot_event_id: str = "3f2a91c0de3f2a91c0de3f2a91c0de42"
    bot_id: str = "bot1"
    created_ts: datetime = MOMENT
    message: str | None = None
    version: str = "abcdef"
    dimensions: Any = None
    details: Any = None


def a_row(event_type: str, **more: Any) -> Row:
    dimensions = {"id": ["bot1"], "os": ["Linux", "Ubuntu"], "pool": ["default", "second"]}
    return Row(**({"event_type": event_type, "dimensions": dimensions} | more))


RESTRICTED = {"reason": "smells of smoke", "by": PERSON}
UNTIL = {"until": "2026-11-24T08:00:00+00:00"}

TOLD = {
    "bot.connected": a_row("bot_connected"),
    "bot.quarantined": a_row("bot_quarantined", message="in words", details=RESTRICTED),
    "bot.released": a_row("bot_unquarantined", message="in words", details={"set_by": "bot"}),
    "bot.maintenance_began": a_row("bot_maintenance", message="in words", details=RESTRICTED | UNTIL),
    "bot.maintenance_ended": a_row("bot_maintenance_ended", message="in words", details={"set_by": PERSON}),
    "bot.update_requested": a_row("request_update", message="012345"),
    "bot.restart_requested": a_row("request_restart", message="It has run for long enough."),
    "bot.error_reported": a_row("bot_error", message="a hook failed"),
    "bot.reboot_announced": a_row("bot_rebooting", message="after a failed task"),
    "bot.shut_down": a_row("bot_shutdown"),
    "bot.died": a_row("bot_missing", message="in words", details={"last_seen": "2026-11-23T16:58:32+00:00"}),
    "bot.deleted": a_row("bot_deleted", message="in words", details={"by": PERSON}),
}


@pytest.mark.parametrize("name", TOLD)
def test_the_wire_form_of_each_version_is_the_golden_one(name):
    [event] = public_events([TOLD[name]])

    golden = json.loads((GOLDEN / f"{name}.v1.json").read_text())
    assert json.loads(encode([event])) == golden
    assert decode(encode([event]), CloudEvent)[0].typed() == KNOWN[name, 1].model_validate(golden["data"])


def test_every_told_type_has_an_example_and_all_that_bots_may_say_is_decided_on():
    assert {row.event_type for row in TOLD.values()} == set(TOLD_TYPES)
    assert set(ALLOWED_EVENTS) - set(TOLD_TYPES) == {"bot_log"}


def test_the_routing_key_names_the_first_pool():
    [two_pools, none] = public_events([a_row("bot_shutdown"), a_row("bot_shutdown", dimensions={"id": ["bot1"]})])

    assert [two_pools.routing_key, none.routing_key] == ["bot.shut_down.default", "bot.shut_down.-"]


def test_events_of_one_commit_are_told_in_the_order_of_their_sense_and_commits_in_theirs():
    rows = [
        a_row("bot_shutdown", tx=9),
        a_row("bot_maintenance", tx=8, details=RESTRICTED),
        a_row("bot_quarantined", tx=8, details=RESTRICTED),
        a_row("bot_connected", tx=8),
        a_row("bot_deleted", tx=7),
    ]

    assert [one.name.removeprefix("bot.") for one in public_events(rows)] == [
        "deleted",
        "connected",
        "quarantined",
        "maintenance_began",
        "shut_down",
    ]


def test_what_an_older_release_wrote_is_told_in_its_words():
    [quarantined, deleted] = public_events([a_row("bot_quarantined", message="unfit (by me)"), a_row("bot_deleted")])

    assert quarantined.data == {"bot_id": "bot1", "reason": "unfit (by me)"}
    assert deleted.data == {"bot_id": "bot1"}


def test_long_texts_are_cut():
    [event] = public_events([a_row("bot_error", message="x" * 20_000)])

    assert event.data["error"] == "x" * MAX_TEXT_LENGTH


@pytest.mark.parametrize("wrong", [{"dimensions": {"pool": None}}, {"dimensions": {"pool": [7]}}, {"details": ["x"]}])
def test_a_row_that_makes_no_event_holds_up_no_other(wrong):
    rows = [a_row("bot_connected"), a_row("bot_quarantined", **wrong), a_row("bot_shutdown")]

    assert [one.name for one in public_events(rows)] == ["bot.connected", "bot.shut_down"]
