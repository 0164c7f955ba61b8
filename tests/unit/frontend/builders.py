"""Requests and rows for tests, with what does not matter filled in."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert

from swarming_common.database.dialects import insert_for
from swarming_common.database.port import Database
from swarming_common.database.tables import bot, bot_snapshot, task_output, task_result, task_run
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import parse_task_id

NOW = datetime(2026, 11, 23, 17, 8, 19, 774561, tzinfo=UTC)


def a_new_task(*, pool: str = "default", properties: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """A NewTaskRequest; `properties` adds to those of its one slice."""
    return {
        "name": "a task",
        "task_slices": [
            {
                "expiration_secs": 300,
                "properties": {
                    "command": ["true"],
                    "dimensions": [{"key": "pool", "value": pool}],
                    "execution_timeout_secs": 60,
                    **(properties or {}),
                },
            }
        ],
        **fields,
    }


async def a_result(
    database: Database, task_id: str, *, state: TaskState, run_number: int | None = None, **columns: Any
) -> None:
    """What the scheduler would write of a task; the row of an earlier call is replaced."""
    row = {
        "task_id": parse_task_id(task_id),
        "shard": 0,
        "state": int(state),
        "priority": 100,
        "current_slice": 0,
        "run_number": run_number,
        "last_taskseq": 1,
        "created_ts": NOW,
        "modified_ts": NOW,
        "failure": False,
        "internal_failure": False,
        **columns,
    }

    def write(connection: Connection) -> None:
        connection.execute(task_result.delete().where(task_result.c.task_id == row["task_id"]))
        connection.execute(insert(task_result), [row])

    await database.write(write)


async def a_run(
    database: Database,
    task_id: str,
    *,
    number: int = 1,
    state: TaskState = TaskState.RUNNING,
    bot_id: str = "bot1",
    bot_version: str = "v1",
    **columns: Any,
) -> None:
    """What the scheduler would write of a run; the row of an earlier call is replaced."""
    dimensions = {"id": [bot_id], "pool": ["default"]}
    snapshot = {"bot_snapshot_id": hash((bot_id, bot_version)), "version": bot_version, "dimensions": dimensions}
    row = {
        "task_id": parse_task_id(task_id),
        "run_number": number,
        "shard": 0,
        "bot_id": bot_id,
        "state": int(state),
        "slice": 0,
        "offer_id": "gateway-1",
        "revoked": False,
        "killing": False,
        "bot_snapshot_id": snapshot["bot_snapshot_id"],
        "started_ts": NOW,
        "failure": False,
        "internal_failure": False,
        **columns,
    }

    def write(connection: Connection) -> None:
        connection.execute(
            task_run.delete().where(task_run.c.task_id == row["task_id"], task_run.c.run_number == row["run_number"])
        )
        connection.execute(insert_for(connection.dialect.name, bot_snapshot).on_conflict_do_nothing(), [snapshot])
        connection.execute(insert(task_run), [row])

    await database.write(write)


async def a_running_task(database: Database, task_id: str, *, bot_id: str = "bot1") -> None:
    """A task in its first run."""
    await a_result(database, task_id, state=TaskState.RUNNING, run_number=1, bot_id=bot_id, started_ts=NOW)
    await a_run(database, task_id, bot_id=bot_id)


async def some_output(database: Database, task_id: str, content: bytes, *, start: int = 0, number: int = 1) -> None:
    """What a bot gateway would write of a run's output."""
    row = {
        "task_id": parse_task_id(task_id),
        "run_number": number,
        "start": start,
        "content": content,
    }
    await database.write(lambda c: c.execute(insert(task_output), [row]))


async def a_bot(database: Database, bot_id: str = "bot1", **columns: Any) -> None:
    """What a bot gateway would write of a bot."""
    row = {
        "bot_id": bot_id,
        "dimensions": {"id": [bot_id], "pool": ["default"], "os": ["Linux", "Debian"]},
        "state": {"sleep_streak": 1},
        "version": "v1",
        "external_ip": "10.0.0.1",
        "authenticated_as": "bot:whitelisted-ip",
        "first_seen_ts": NOW,
        "last_seen_ts": datetime.now(UTC),
        **columns,
    }
    await database.write(lambda c: c.execute(insert(bot), [row]))
