"""`command`: what people asked of tasks and bots, for the owner of the thing to act on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection

from swarming_common.database.dialects import insert
from swarming_common.database.tables import command
from swarming_common.model.task_id import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A row to be written; `reply_to` is the frontend that waits for the owner's word, None if nobody does."""

    command_id: str
    shard: int | None
    kind: str
    task_id: TaskId | None
    bot_id: str | None = None
    arguments: Mapping[str, object]
    given_by: str
    reply_to: str | None
    created_ts: datetime


def write_commands(connection: Connection, commands: Sequence[NewCommand]) -> list[None]:
    """Write commands; one that is there already stays as it is."""
    connection.execute(insert(connection, command).on_conflict_do_nothing(), [asdict(one) for one in commands])
    return [None] * len(commands)
