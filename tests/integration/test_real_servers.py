"""The promises of the servers that the other tests on real servers lean on."""

import asyncio
import time

import aio_pika
import asyncpg
import pytest
import redis.asyncio

from tests.servers import Servers


async def test_each_test_has_an_empty_database_of_its_own(postgres_database: str) -> None:
    connection = await asyncpg.connect(postgres_database)

    tables = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")

    await connection.close()
    assert tables == 0
    assert postgres_database.startswith("postgresql://")


@pytest.mark.real("postgres")
async def test_a_template_is_filled_once_and_copied(servers: Servers) -> None:
    filled = []

    def fill(url: str) -> None:
        filled.append(url)
        asyncio.run(_execute(url, "CREATE TABLE marks (mark int); INSERT INTO marks VALUES (7)"))

    for _ in range(2):
        template = await asyncio.to_thread(servers.postgres.template, "test of templates", fill)
        with servers.postgres.database(template) as url:
            assert await _fetchval(url, "SELECT mark FROM marks") == 7

    assert len(filled) == 1


@pytest.mark.real("postgres")
async def test_postgres_keeps_what_was_committed_over_a_restart(postgres_database: str, servers: Servers) -> None:
    await _execute(postgres_database, "CREATE TABLE marks (mark int); INSERT INTO marks VALUES (7)")
    connection = await asyncpg.connect(postgres_database)

    await asyncio.to_thread(servers.postgres.restart)

    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.fetchval("SELECT 1")
    assert await _fetchval(postgres_database, "SELECT mark FROM marks") == 7


@pytest.mark.real("postgres")
async def test_a_server_that_is_away_refuses_until_it_is_back(postgres_database: str, servers: Servers) -> None:
    with servers.postgres.away(), pytest.raises(OSError, match="Connect call failed"):
        await asyncpg.connect(postgres_database)

    assert await _fetchval(postgres_database, "SELECT 1") == 1


async def test_cut_connections_are_lost_and_new_ones_are_accepted(redis_url: str, servers: Servers) -> None:
    async with redis.asyncio.Redis.from_url(redis_url, single_connection_client=True) as client:
        await client.set("mark", 7)

        dropped = servers.redis.cut_connections()

        assert dropped >= 1  # clients of earlier tests may still hold some
        with pytest.raises(redis.ConnectionError):
            await client.execute_command("GET", "mark")
    async with redis.asyncio.Redis.from_url(redis_url) as another:
        assert await another.get("mark") == b"7"


async def test_a_frozen_server_is_silent_and_then_goes_on(redis_url: str, servers: Servers) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set("mark", 7)

        servers.redis.freeze()
        answer = asyncio.ensure_future(client.get("mark"))
        done, _ = await asyncio.wait([answer], timeout=0.2)
        assert not done

        servers.redis.resume()
        assert await answer == b"7"


async def test_redis_comes_back_empty(redis_url: str, servers: Servers) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        await client.set("mark", 7)

    await asyncio.to_thread(servers.redis.restart_empty)

    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.get("mark") is None


async def test_rabbitmq_comes_back_empty_with_the_same_virtual_host(rabbitmq_url: str, servers: Servers) -> None:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True)

    await asyncio.to_thread(servers.rabbitmq.restart_empty)

    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        with pytest.raises(aio_pika.exceptions.ChannelNotFoundEntity):
            await channel.declare_queue("kept", passive=True)


async def test_rabbitmq_keeps_durable_queues_over_a_restart(rabbitmq_url: str, servers: Servers) -> None:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})

    await asyncio.to_thread(servers.rabbitmq.restart)

    deadline = time.monotonic() + 30
    while True:
        try:
            async with await aio_pika.connect(rabbitmq_url) as connection:
                channel = await connection.channel()
                await channel.declare_queue("kept", passive=True)
            break
        except (aio_pika.exceptions.AMQPError, OSError):
            assert time.monotonic() < deadline


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(statement)
    await connection.close()


async def _fetchval(url: str, query: str) -> object:
    connection = await asyncpg.connect(url)
    value = await connection.fetchval(query)
    await connection.close()
    return value
