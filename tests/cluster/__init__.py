"""Swarming as a whole for tests and benchmarks: embedded in one process, or distributed over many behind a proxy.

Both forms are context managers with one interface (deployment.py), and need no pytest:

    with open_servers() as servers, servers.postgres.database() as database, servers.rabbitmq.vhost() as bus:
        with Cluster(folder, database_url=database, bus_url=bus, cache_url=…) as cluster:
            cluster.start_bots(2)
            cluster.client().new_task(…)
"""

from tests.cluster.cluster import Cluster
from tests.cluster.deployment import Deployment
from tests.cluster.program import Program, ProgramFailed
from tests.cluster.standalone import Standalone

__all__ = ["Cluster", "Deployment", "Program", "ProgramFailed", "Standalone"]
