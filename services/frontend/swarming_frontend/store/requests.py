"""`task_request` and `submission`: what users asked for, each once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import Connection, bindparam, select

from swarming_common.database.columns import UtcDateTime
from swarming_common.database.dialects import insert_for
from swarming_common.database.hot import Prepared
from swarming_common.database.json_rows import quoted
from swarming_common.database.port import HotBatch
from swarming_common.database.request_rows import REQUEST_COLUMNS, request_document, request_fields
from swarming_common.database.tables import submission, task_request, task_result
from swarming_common.model.request import TaskRequest
from swarming_common.model.task_id import TaskId

UUID_DAYS = 7
"""For so long a caller's uuid stands for the same task (client-api-v1.md section 11)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRequest:
    """A row to be written; `nonce` tells it from another task that drew the same id."""

    task_id: TaskId
    nonce: int
    shard: int
    created_ts: datetime
    request: TaskRequest
    parent_task_id: TaskId | None
    secret_bytes: bytes | None
    caller: str
    request_uuid: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """The task is in the tables, now or since an earlier try of the same item."""


@dataclass(frozen=True, slots=True)
class Repeated:
    """This caller has used the uuid before; nothing was written."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class IdTaken:
    """Another task has this id; nothing was written. Draw another."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """Somebody else is writing this uuid at this moment; nothing was written. Try the same item again."""


WriteOutcome = Written | Repeated | IdTaken | Undecided


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRequest:
    """A request as it was written."""

    task_id: TaskId
    shard: int
    created_ts: datetime
    request: TaskRequest


def hot_requests(items: Sequence[NewRequest]) -> HotBatch[Sequence[WriteOutcome]]:
    """Writes requests and their uuids. Repeatable; raises for the whole batch if an id collides with one that is being
    written at the same time, and then each item alone finds out whether it was its own."""

    def portable(connection: Connection) -> list[WriteOutcome]:
        return [_write_one(connection, item) for item in items]

    def outcomes(found: Sequence[Mapping[str, Any]]) -> list[WriteOutcome]:
        return [
            _outcome(item, is_written=one["is_written"], nonce=one["nonce"], first=one["first"])
            for item, one in zip(items, found, strict=True)
        ]

    return HotBatch(portable, _STATEMENT, lambda: _arguments(items), outcomes)


def stored_request(connection: Connection, task_id: TaskId) -> StoredRequest | None:
    """What was asked for, None for an unknown task."""
    columns = task_request.c
    row = connection.execute(
        select(columns.shard, columns.created_ts, columns.tags, *REQUEST_COLUMNS).where(columns.task_id == task_id)
    ).one_or_none()
    if row is None:
        return None
    return StoredRequest(
        task_id=task_id,
        shard=row.shard,
        created_ts=row.created_ts,
        request=TaskRequest.model_validate(request_fields(row._asdict()) | {"tags": row.tags}),
    )


def stored_parent(connection: Connection, task_id: TaskId) -> StoredRequest | None:
    """What was asked for, with the priority that the task has now; None for an unknown task."""
    stored = stored_request(connection, task_id)
    priority = connection.execute(
        select(task_result.c.priority).where(task_result.c.task_id == task_id)
    ).scalar_one_or_none()
    if stored is None or priority is None:
        return stored
    return replace(stored, request=stored.request.model_copy(update={"priority": priority}))


def first_task(connection: Connection, caller: str, request_uuid: str, now: datetime) -> TaskId | None:
    """The task that a caller's uuid stands for now, None for a uuid that is new or too old."""
    key = {"of_caller": caller, "of_uuid": request_uuid, "written_after": now - timedelta(days=UUID_DAYS)}
    found = _FIRST.one_or_none(connection, key)
    return None if found is None else TaskId(found.task_id)


def shard_of_task(connection: Connection, task_id: TaskId) -> int | None:
    """The shard that a task was given to, None for an unknown task."""
    found: int | None = connection.execute(
        select(task_request.c.shard).where(task_request.c.task_id == task_id)
    ).scalar_one_or_none()
    return found


def secret_of_task(connection: Connection, task_id: TaskId) -> bytes | None:
    """The secret that goes with a request, None if there is none."""
    found: bytes | None = connection.execute(
        select(task_request.c.secret_bytes).where(task_request.c.task_id == task_id)
    ).scalar_one_or_none()
    return found


def _row(item: NewRequest) -> dict[str, Any]:
    """A row of `task_request`; its JSON columns are still missing."""
    request = item.request
    return {
        "task_id": item.task_id,
        "nonce": item.nonce,
        "shard": item.shard,
        "created_ts": item.created_ts,
        "expiration_ts": item.created_ts + timedelta(seconds=request.expiration_secs),
        "name": request.name,
        "pool": request.pool,
        "priority": request.priority,
        "user": request.user,
        "parent_task_id": item.parent_task_id,
        "secret_bytes": item.secret_bytes,
    }


def _outcome(item: NewRequest, *, is_written: bool, nonce: int | None, first: int | None) -> WriteOutcome:
    """`nonce` is that of the row that had this id before, `first` the task that the caller's uuid stands for."""
    if is_written or nonce == item.nonce:
        return Written()
    if first is not None:
        return Repeated(TaskId(first))
    return IdTaken() if nonce is not None else Undecided()


# Whoever inserts submissions does it in the order of their key, so that two batches never wait for each other.
# The request is inserted without ON CONFLICT: if another transaction is writing the same id just now, the whole
# statement fails and takes the submission back with it.
_KINDS = {
    "task_id": "bigint",
    "nonce": "bigint",
    "shard": "smallint",
    "created_ts": "timestamptz",
    "expiration_ts": "timestamptz",
    "name": "text",
    "pool": "text",
    "priority": "smallint",
    "user": "text",
    "parent_task_id": "bigint",
    "tags": "text",
    "request": "text",
    "secret_bytes": "bytea",
    "caller": "text",
    "request_uuid": "text",
}
"""What the statement reads of each item, in the order of its arguments."""

_STATEMENT = f"""
    WITH item AS MATERIALIZED (
        SELECT * FROM unnest(
            {", ".join(f"CAST(${place} AS {kind}[])" for place, kind in enumerate(_KINDS.values(), start=1))}
        ) WITH ORDINALITY AS given ({quoted(list(_KINDS))}, place)
    ), taken AS (
        SELECT task_id, earlier.nonce FROM item JOIN task_request AS earlier USING (task_id)
    ), fresh AS (
        SELECT * FROM item WHERE NOT EXISTS (SELECT FROM taken WHERE taken.task_id = item.task_id)
    ), won AS (
        INSERT INTO submission AS earlier (caller, request_uuid, task_id, created_ts)
        SELECT DISTINCT ON (caller, request_uuid) caller, request_uuid, task_id, created_ts FROM fresh
        WHERE request_uuid IS NOT NULL ORDER BY caller, request_uuid, place
        ON CONFLICT (caller, request_uuid) DO UPDATE SET task_id = excluded.task_id, created_ts = excluded.created_ts
        WHERE earlier.created_ts <= excluded.created_ts - INTERVAL '{UUID_DAYS} days'
        RETURNING caller, request_uuid, task_id
    ), written AS (
        INSERT INTO task_request (
            task_id, nonce, shard, created_ts, expiration_ts, name, pool, priority, "user",
            parent_task_id, tags, request, secret_bytes
        )
        SELECT
            task_id, nonce, shard, created_ts, expiration_ts, name, pool, priority, "user",
            parent_task_id, CAST(tags AS jsonb), CAST(request AS json), secret_bytes
        FROM fresh
        WHERE request_uuid IS NULL OR EXISTS (SELECT FROM won WHERE won.task_id = fresh.task_id)
        ORDER BY place
        RETURNING task_id, nonce
    )
    SELECT
        EXISTS (
            SELECT FROM written WHERE written.task_id = item.task_id AND written.nonce = item.nonce
        ) AS is_written,
        (SELECT taken.nonce FROM taken WHERE taken.task_id = item.task_id LIMIT 1) AS nonce,
        COALESCE(
            (SELECT won.task_id FROM won WHERE won.caller = item.caller AND won.request_uuid = item.request_uuid),
            (SELECT earlier.task_id FROM submission AS earlier
             WHERE earlier.caller = item.caller AND earlier.request_uuid = item.request_uuid)
        ) AS first
    FROM item ORDER BY place
    """


def _arguments(items: Sequence[NewRequest]) -> tuple[list[Any], ...]:
    rows = [
        _row(item)
        | {
            "tags": json.dumps(item.request.tags),
            "request": json.dumps(request_document(item.request), separators=(",", ":")),
            "caller": item.caller,
            "request_uuid": item.request_uuid,
        }
        for item in items
    ]
    return tuple([row[name] for row in rows] for name in _KINDS)


# Made once: making a statement takes longer than running it.
_NONCE = Prepared(select(task_request.c.nonce).where(task_request.c.task_id == bindparam("of_task")))
_FIRST = Prepared(
    select(submission.c.task_id).where(
        submission.c.caller == bindparam("of_caller"),
        submission.c.request_uuid == bindparam("of_uuid"),
        submission.c.created_ts > bindparam("written_after", type_=UtcDateTime),
    )
)
_INSERT_REQUEST = Prepared(task_request.insert())


@cache
def _upsert_submission(dialect: str) -> Prepared:
    """A uuid that is this old stands for another task from now on."""
    upsert = insert_for(dialect, submission)
    changes = {name: upsert.excluded[name] for name in ("task_id", "created_ts")}
    return Prepared(upsert.on_conflict_do_update(index_elements=["caller", "request_uuid"], set_=changes))


def _write_one(connection: Connection, item: NewRequest) -> WriteOutcome:
    taken = _NONCE.one_or_none(connection, {"of_task": item.task_id})
    first = None
    if item.request_uuid is not None:
        first = first_task(connection, item.caller, item.request_uuid, item.created_ts)
    is_new = taken is None and first is None
    if is_new:
        request = item.request
        documents = {"tags": list(request.tags), "request": request_document(request)}
        _INSERT_REQUEST.write(connection, _row(item) | documents)
        if item.request_uuid is not None:
            _upsert_submission(connection.dialect.name).write(connection, _submission(item))
    return _outcome(item, is_written=is_new, nonce=taken and taken.nonce, first=first)


def _submission(item: NewRequest) -> Mapping[str, Any]:
    return {
        "caller": item.caller,
        "request_uuid": item.request_uuid,
        "task_id": item.task_id,
        "created_ts": item.created_ts,
    }
