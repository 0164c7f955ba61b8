"""The distributed form on real servers, for the time of a benchmark."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.cluster.cluster import Cluster
from tests.servers.collection import open_servers


@contextmanager
def distributed(replicas: int = 1, settings: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """A cluster of so many frontends, schedulers and gateways each, with a database and a broker of its own, which it
    reaches without the proxy that tests cut."""
    with (
        open_servers() as servers,
        servers.postgres.database() as database,
        servers.rabbitmq.vhost() as bus,
        tempfile.TemporaryDirectory(prefix="swarming-bench-") as folder,
        Cluster(
            Path(folder),
            database_url=urlsplit(servers.postgres.direct_url)._replace(path=urlsplit(database).path).geturl(),
            bus_url=urlsplit(servers.rabbitmq.direct_url)._replace(path=urlsplit(bus).path).geturl(),
            cache_url=servers.redis.direct_url,
            frontends=replicas,
            schedulers=replicas,
            botgateways=replicas,
            settings=settings,
        ) as cluster,
    ):
        yield cluster
