"""kill -9 of each service in turn, of bots, and of what is below, while 500 tasks are in flight on 20 bots."""

import pytest

from tests.chaos.aftermath import Aftermath, settle
from tests.chaos.assault import AssaultOnServers
from tests.chaos.flight import BOT_DIMENSIONS, Flight
from tests.chaos.promises import Promises
from tests.cluster import Cluster
from tests.cluster.workload import Journal
from tests.servers import Servers

TOGETHER, ALONE = 16, 4
"""Bots in one process, and those that have one each and can be killed."""

SETTINGS = {"SWARMING_SILENCE_MARGIN_SECONDS": "3", "SWARMING_CONFIRM_SECONDS": "10"}


@pytest.fixture(scope="module")
def aftermath(private_servers: Servers, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("chaos")
    with (
        private_servers.postgres.database() as database_url,
        private_servers.rabbitmq.vhost() as bus_url,
        Cluster(
            folder,
            database_url=database_url,
            bus_url=bus_url,
            cache_url=private_servers.redis.empty_database(),
            frontends=2,
            schedulers=2,
            botgateways=2,
            settings=SETTINGS,
        ) as cluster,
    ):
        yield _fly(cluster, private_servers, Journal(folder / "journal"))


def _fly(cluster: Cluster, servers: Servers, journal: Journal) -> Aftermath:
    cluster.start_bots(TOGETHER, name="together", dimensions=BOT_DIMENSIONS)
    for number in range(1, ALONE + 1):
        cluster.start_bots(name=f"alone-{number}", dimensions=BOT_DIMENSIONS)
    flight = Flight(cluster, journal, tasks=500, at_once=300, submitters=5, pause_seconds=1.5)
    assault = AssaultOnServers(cluster, journal, servers=servers)
    flight.start()
    _attack(assault)
    return settle(flight, assault)


def _attack(assault: AssaultOnServers) -> None:
    assault.kill_service("scheduler-1")
    assault.kill_bot("alone-1", comes_back=False)
    assault.kill_service("botgateway-1")
    assault.kill_bot("alone-2", comes_back=True)
    assault.kill_service("frontend-1")
    assault.kill_service("scheduler-2")
    assault.empty_rabbitmq()
    assault.kill_service("botgateway-2")
    assault.kill_bot("alone-3", comes_back=True)
    assault.kill_service("frontend-2")
    assault.empty_redis()
    assault.kill_service("stats-1")
    assault.restart_postgres()
    assault.kill_bot("alone-4", comes_back=True)


@pytest.mark.real("postgres", "rabbitmq", "redis")
@pytest.mark.timeout(400)
class TestDistributed(Promises):
    """After the whole assault."""
