"""What every cache promises, as tests.

A subclass supplies two fixtures: `cache`, and `other_cache`, which is how another process sees the same cache; where
there is but one process it is the same object.
"""

import asyncio
from uuid import uuid4

from swarming_common.cache.port import Cache
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, soon

A_MOMENT = 0.05
"""Seconds to wait for what must not come."""


class CacheContract:
    """What every cache promises."""

    async def test_a_value_can_be_read_until_it_is_deleted(self, cache: Cache, other_cache: Cache) -> None:
        await cache.set("key", b"\x00value\xff", ttl_seconds=60)
        assert await other_cache.get("key") == b"\x00value\xff"

        await other_cache.delete("key")
        await other_cache.delete("key")

        assert await cache.get("key") is None

    async def test_a_value_can_be_replaced(self, cache: Cache) -> None:
        await cache.set("key", b"old", ttl_seconds=60)

        await cache.set("key", b"", ttl_seconds=60)

        assert await cache.get("key") == b""

    async def test_what_was_never_set_is_not_there(self, cache: Cache) -> None:
        assert await cache.get("key") is None

    async def test_a_value_is_forgotten_after_its_time(self, cache: Cache) -> None:
        await cache.set("short", b"value", ttl_seconds=0.02)
        await cache.set("long", b"value", ttl_seconds=60)

        async with asyncio.timeout(DEADLINE_SECONDS):
            while await cache.get("short") is not None:  # noqa: ASYNC110 # nobody announces an expiry
                await asyncio.sleep(0.005)

        assert await cache.get("long") == b"value"

    async def test_an_announcement_wakes_a_follower(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as follower:
            waiting = asyncio.create_task(follower.wait(DEADLINE_SECONDS))
            await asyncio.sleep(0)

            cache.announce(channel)

            assert await soon(waiting)

    async def test_what_is_announced_between_entering_and_waiting_is_heard(
        self, cache: Cache, other_cache: Cache
    ) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as follower:
            cache.announce(channel)

            assert await follower.wait(DEADLINE_SECONDS)

    async def test_what_is_announced_between_two_waits_is_heard(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as follower:
            cache.announce(channel)
            assert await follower.wait(DEADLINE_SECONDS)

            cache.announce(channel)

            assert await follower.wait(DEADLINE_SECONDS)

    async def test_repeats_within_a_loop_turn_are_one(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as follower:
            for _ in range(100):
                cache.announce(channel)

            assert await follower.wait(DEADLINE_SECONDS)
            assert not await follower.wait(A_MOMENT)

    async def test_two_followers_both_hear(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with (
            cache.follow(channel) as one,
            other_cache.follow(channel) as two,
            other_cache.follow(channel) as three,
        ):
            cache.announce(channel)

            assert await one.wait(DEADLINE_SECONDS)
            assert await two.wait(DEADLINE_SECONDS)
            assert await three.wait(DEADLINE_SECONDS)

    async def test_a_follower_that_leaves_takes_nothing_from_the_other(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as staying:
            async with other_cache.follow(channel):
                pass

            cache.announce(channel)

            assert await staying.wait(DEADLINE_SECONDS)

    async def test_a_channel_can_be_followed_again(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        for _ in range(5):
            async with other_cache.follow(channel) as follower:
                cache.announce(channel)

                assert await follower.wait(DEADLINE_SECONDS)

    async def test_other_channels_do_not_wake(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as follower:
            cache.announce(a_channel())

            assert not await follower.wait(A_MOMENT)

    async def test_closing_announces_what_was_announced_just_before(self, cache: Cache, other_cache: Cache) -> None:
        channel = a_channel()
        async with other_cache.follow(channel) as follower:
            cache.announce(channel)
            await cache.close()

            assert await follower.wait(DEADLINE_SECONDS)

    async def test_a_closed_cache_is_away_and_never_raises(self, cache: Cache) -> None:
        before = cache.connected

        await cache.close()
        await cache.close()

        assert (before, cache.connected) == (True, False)
        cache.announce(a_channel())
        await cache.set("key", b"value", ttl_seconds=60)
        assert await cache.get("key") is None
        await cache.delete("key")


def a_channel() -> str:
    """One that no other test uses: Redis keeps channels apart from its numbered databases."""
    return f"run.{uuid4().hex}"
