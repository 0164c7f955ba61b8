"""Task ids, dimensions, shards and hints."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swarming_common.hints import wire
from swarming_common.hints.scheduler import OfferWithdrawn, RunsHeard
from swarming_common.model.dimensions import matches, requirements
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.task_id import (
    InvalidTaskId,
    RunId,
    TaskId,
    format_task_id,
    new_task_id,
    parse_run_id,
    parse_task_id,
    run_number_of,
)

BOT = {"id": ("bot1",), "os": ("Linux", "Debian-12"), "pool": ("default",)}


def test_an_id_is_the_time_then_random_bits_then_the_layout_version():
    moment = datetime(2010, 1, 1, 0, 0, 1, tzinfo=UTC)

    assert format_task_id(new_task_id(moment, 0xABCD)) == f"{1000:x}abcd10"


@given(st.integers(0, (1 << 43) - 1), st.integers(0, 0xFFFF), st.integers(1, 15))
def test_ids_read_back_as_they_were_written(milliseconds, random, number):
    task_id = TaskId(milliseconds << 20 | random << 4 | 1)

    assert parse_task_id(format_task_id(task_id)) == task_id
    assert parse_run_id(str(RunId(task_id, number))) == RunId(task_id, number)
    assert parse_task_id(str(RunId(task_id, number))) == task_id


def test_the_ids_of_the_reference_belong_together():
    assert parse_task_id("7c2236638dbfed10") == parse_run_id("7c2236638dbfed11").task_id
    assert run_number_of("7c2236638dbfed10") is None
    assert run_number_of("7c2236638dbfed1f") == 15


@pytest.mark.parametrize("text", ["", "1", "x", "7C2236638DBFED10", "7c2236638dbfed20", "0x10", " 10", "f" * 18, "-10"])
def test_what_is_no_id_is_refused(text):
    with pytest.raises(InvalidTaskId):
        parse_task_id(text)


def test_a_task_s_id_is_no_run_s_id():
    with pytest.raises(InvalidTaskId, match="not of a run"):
        parse_run_id("7c2236638dbfed10")


@pytest.mark.parametrize(
    ("asked", "is_match"),
    [
        ([("os", "Linux")], True),
        ([("os", "Linux"), ("os", "Debian-12")], True),
        ([("os", "Linux"), ("os", "Debian-11")], False),
        ([("os", "Mac|Linux")], True),
        ([("os", "Mac|Windows")], False),
        ([("gpu", "none")], False),
        ([], True),
    ],
)
def test_a_task_matches_a_bot_that_has_every_value_asked_for(asked, is_match):
    assert matches(requirements(asked), BOT) is is_match


def test_a_pool_keeps_its_shard_for_ever():
    assert [shard_of_pool(pool) for pool in ("default", "linux", "", "ü")] == [15, 15, 0, 5]


def test_hints_travel_packed_and_in_order():
    hints = [OfferWithdrawn(offer_id="o", bot_id="b"), RunsHeard(runs=((TaskId(1 << 62), 2),))]

    assert wire.decode(wire.encode(hints)) == (hints, [])


@pytest.mark.parametrize("body", [b"", b"{}", b"[1]", b'[["NoSuchHint",{}]]', b'[["OfferWithdrawn",{}]]', b"\xff"])
def test_a_pack_that_cannot_be_read_says_why(body):
    hints, [unreadable] = wire.decode(body)

    assert hints == []
    assert unreadable.reason


def test_one_hint_that_cannot_be_read_spoils_no_other():
    good = [OfferWithdrawn(offer_id="o", bot_id="b"), RunsHeard(runs=())]
    first, second = json.loads(wire.encode(good))
    strange = [["NoSuchHint", {"a": 1}], ["OfferWithdrawn", {}], "x", None, ["RunsHeard"], [["x"], {}]]

    hints, unreadable = wire.decode(json.dumps([first, *strange, second]).encode())

    assert hints == good
    assert [json.loads(one.body) for one in unreadable] == [[one] for one in strange]
    assert [one.kind for one in unreadable] == ["NoSuchHint", "OfferWithdrawn", "", "", "", ""]
    assert unreadable[0].reason == "unknown hint 'NoSuchHint'"
    assert "offer_id" in unreadable[1].reason
