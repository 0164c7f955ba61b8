"""`command`: what people asked of tasks and bots, for the owner of the thing to act on."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from swarming_common.database.dialects import insert
from swarming_common.database.tables import command
from swarming_common.model.task_id import TaskId


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCommand:
    """A row to be written; `reply_to` is the frontend that waits for the owner's word, None if nobody does."""

    kind: str
    shard: int | None = None
    task_id: TaskId | None = None
    bot_id: str | None = None
    arguments: Mapping[str, object] = field(default_factory=dict)
    given_by: str
    created_ts: datetime
    reply_to: str | None = None
    command_id: str = field(default_factory=lambda: uuid.uuid4().hex)


def write_commands(connection: Connection, commands: Sequence[NewCommand]) -> list[None]:
    """Write commands; one that is there already stays as it is."""
    connection.execute(insert(connection, command).on_conflict_do_nothing(), [asdict(one) for one in commands])
    return [None] * len(commands)
