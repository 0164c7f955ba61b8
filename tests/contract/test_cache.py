from collections.abc import AsyncIterator

import pytest

from swarming_common.cache.in_process import InProcessCache
from swarming_common.cache.port import Cache
from swarming_common.cache.redis import open_redis
from swarming_common.testing.contracts.cache import CacheContract


class TestCacheInProcess(CacheContract):
    @pytest.fixture
    async def cache(self) -> AsyncIterator[Cache]:
        cache = InProcessCache()
        yield cache
        await cache.close()

    @pytest.fixture
    def other_cache(self, cache: Cache) -> Cache:
        return cache


@pytest.mark.real("redis")
class TestCacheOnRedis(CacheContract):
    @pytest.fixture
    async def cache(self, redis_url: str) -> AsyncIterator[Cache]:
        cache = await open_redis(redis_url)
        yield cache
        await cache.close()

    @pytest.fixture
    async def other_cache(self, redis_url: str) -> AsyncIterator[Cache]:
        cache = await open_redis(redis_url)
        yield cache
        await cache.close()
