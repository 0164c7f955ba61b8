"""Shards are shared out evenly, and one member's coming or going moves only what it must."""

from collections import Counter

from swarming_scheduler.membership import Members, owner_of

SHARDS = range(16)


def test_every_member_owns_about_its_share():
    members = [f"scheduler-{number}" for number in range(4)]

    shares = Counter(owner_of(shard, members) for shard in range(4_000))

    assert all(800 <= shares[member] <= 1_200 for member in members)


def test_a_member_that_goes_leaves_the_others_what_they_have():
    before = {shard: owner_of(shard, ["a", "b", "c"]) for shard in SHARDS}

    after = {shard: owner_of(shard, ["a", "c"]) for shard in SHARDS}

    assert {shard for shard in SHARDS if before[shard] != after[shard]} == {
        shard for shard in SHARDS if before[shard] == "b"
    }


def test_who_is_silent_for_too_long_is_thought_gone_until_it_is_heard_again():
    members = Members("me", member_seconds=2.0)
    was_new = members.hear("other", leaving=False, now=10.0)

    before, after = members.alive(11.9), members.alive(12.1)

    assert was_new
    assert (before, after) == (["me", "other"], ["me"])
    assert members.hear("other", leaving=False, now=13.0)
    assert members.alive(13.0) == ["me", "other"]


def test_who_leaves_is_gone_at_once():
    members = Members("me", member_seconds=2.0)
    members.hear("other", leaving=False, now=10.0)

    assert members.hear("other", leaving=True, now=10.1)
    assert members.alive(10.1) == ["me"]
