"""`shard`: how many shards there are."""

from sqlalchemy import Connection, func, select

from swarming_common.database.tables import shard
from swarming_common.errors import SwarmingError


class NoShards(SwarmingError):
    """The database has no shards: it was not brought to the current schema."""


def count_shards(connection: Connection) -> int:
    """How many shards there are, a stored setting. Raises NoShards."""
    count = connection.execute(select(func.count()).select_from(shard)).scalar_one()
    if not count:
        raise NoShards
    return count
