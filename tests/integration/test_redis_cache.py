"""What only Redis's adapter has: a connection that is lost, and a server that is away or comes back empty."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest
from redis.asyncio import Redis

from swarming_common.cache.redis import PREFIX, RedisCache, open_redis
from swarming_common.testing.contracts.cache import A_MOMENT, a_channel
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, soon
from tests.servers import Servers

pytestmark = pytest.mark.real("redis")


@pytest.fixture
def server(private_servers: Servers) -> Iterator[Servers]:
    yield private_servers
    private_servers.resume()


@pytest.fixture
async def cache(redis_url: str) -> AsyncIterator[RedisCache]:
    cache = await open_redis(redis_url)
    yield cache
    await cache.close()


async def test_after_a_lost_connection_each_follower_looks_once_and_hears_again(cache: RedisCache, server: Servers):
    one_channel, other_channel = a_channel(), a_channel()
    async with cache.follow(one_channel) as one, cache.follow(other_channel) as other:
        server.redis.cut_connections()

        assert await one.wait(DEADLINE_SECONDS)
        assert await other.wait(DEADLINE_SECONDS)
        assert not await one.wait(A_MOMENT)
        cache.announce(one_channel)
        assert await one.wait(DEADLINE_SECONDS)
        assert cache.connected


async def test_values_are_read_again_after_a_lost_connection(cache: RedisCache, server: Servers):
    channel = a_channel()
    async with cache.follow(channel) as follower:
        await cache.set("key", b"value", ttl_seconds=60)

        server.redis.cut_connections()
        await follower.wait(DEADLINE_SECONDS)

        assert await cache.get("key") == b"value"


async def test_a_redis_that_comes_back_empty_is_only_empty(cache: RedisCache, server: Servers):
    channel = a_channel()
    async with cache.follow(channel) as follower:
        await cache.set("key", b"value", ttl_seconds=60)

        await asyncio.to_thread(server.redis.restart_empty)
        await follower.wait(DEADLINE_SECONDS)

        assert await cache.get("key") is None
        await cache.set("key", b"new", ttl_seconds=60)
        assert await cache.get("key") == b"new"
        cache.announce(channel)
        assert await follower.wait(DEADLINE_SECONDS)


async def test_while_redis_is_away_there_is_just_nothing(cache: RedisCache, server: Servers):
    channel = a_channel()
    await cache.set("key", b"value", ttl_seconds=60)
    async with cache.follow(channel) as follower:
        server.redis.refuse()

        assert await cache.get("key") is None
        await cache.set("key", b"other", ttl_seconds=60)
        await cache.delete("key")
        cache.announce(channel)
        assert not await follower.wait(A_MOMENT)
        async with cache.follow(a_channel()) as late:
            assert not await late.wait(A_MOMENT)
        assert not cache.connected


async def test_a_redis_that_falls_silent_makes_nobody_wait_twice(cache: RedisCache, server: Servers):
    server.redis.freeze()

    async with asyncio.timeout(DEADLINE_SECONDS):
        # If each of them waited for an answer, it would take minutes.
        answers = [await cache.get("key") for _ in range(1000)]

    assert set(answers) == {None}
    assert not cache.connected


async def test_a_service_that_starts_while_redis_is_away_comes_up_with_it(redis_url: str, server: Servers):
    server.redis.refuse()
    channel = a_channel()

    cache = await soon(open_redis(redis_url))
    was_connected = cache.connected
    async with cache.follow(channel) as follower:
        server.redis.resume()

        assert await follower.wait(DEADLINE_SECONDS)
        assert (was_connected, cache.connected) == (False, True)
        await cache.set("key", b"value", ttl_seconds=60)
        assert await cache.get("key") == b"value"
    await cache.close()


async def test_what_redis_refuses_is_not_there_but_redis_is(cache: RedisCache, redis_url: str):
    async with Redis.from_url(redis_url) as client:
        await client.rpush(f"{PREFIX}key", "a list")

    value = await cache.get("key")

    assert value is None
    assert cache.connected
