"""Swarming in both of its forms, with ten bots."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.cluster import Cluster, Deployment, Standalone
from tests.servers import Servers

BOTS = 10
ALL_SERVERS = pytest.mark.real("postgres", "rabbitmq", "redis")


@pytest.fixture(scope="session", params=["embedded", pytest.param("distributed", marks=ALL_SERVERS)])
def swarming(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Swarming that runs, with ten bots `bot-1` … `bot-10`; the tests share it."""
    if request.param == "embedded":
        with Standalone(tmp_path_factory.mktemp("embedded")) as embedded:
            embedded.start_bots(BOTS)
            embedded.wait_for_bots(BOTS)
            yield embedded
    else:
        yield request.getfixturevalue("cluster")


@pytest.fixture(scope="session")
def cluster(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The distributed form: two frontends, two schedulers, two gateways, one stats, a proxy, and ten bots."""
    with a_cluster(servers, tmp_path_factory) as running:
        running.start_bots(BOTS)
        running.wait_for_bots(BOTS)
        yield running


@contextmanager
def a_cluster(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with (
        servers.postgres.database() as database_url,
        servers.rabbitmq.vhost() as bus_url,
        Cluster(
            tmp_path_factory.mktemp("distributed"),
            database_url=database_url,
            bus_url=bus_url,
            cache_url=servers.redis.empty_database(),
            frontends=2,
            schedulers=2,
            botgateways=2,
        ) as running,
    ):
        yield running
