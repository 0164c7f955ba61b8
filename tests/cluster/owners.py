"""Which scheduler of a cluster has which shard."""

from sqlalchemy import select

from swarming_common.database.tables import shard
from tests.cluster.cluster import Cluster


def owner_of(cluster: Cluster, number: int) -> str | None:
    """The name of the scheduler that took this shard last and still runs, None if there is none such."""
    owner = cluster.read(lambda c: c.execute(select(shard.c.owner).where(shard.c.shard == number)).scalar_one())
    schedulers = [cluster.services[name] for name in cluster.names("scheduler")]
    return next((one.name for one in schedulers if one.is_running and f"-{one.pid}-" in str(owner)), None)
