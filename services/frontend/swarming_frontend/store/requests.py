"""`task_request` and `submission`: what users asked for, each once."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    DateTime,
    LargeBinary,
    SmallInteger,
    Text,
    bindparam,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from swarming_common.database.tables import submission, task_request
from swarming_common.model.request import TaskRequest
from swarming_common.model.task_id import TaskId


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


def write_requests(connection: Connection, items: Sequence[NewRequest]) -> list[WriteOutcome]:
    """Write requests and their uuids. Repeatable; raises for the whole batch if an id collides with one that is being
    written at the same time, and then each item alone finds out whether it was its own."""
    rows = [_row(item) for item in items]
    if connection.dialect.name == "postgresql":
        return _write_in_one_statement(connection, items, rows)
    return _write_portably(connection, items, rows)


def stored_request(connection: Connection, task_id: TaskId) -> StoredRequest | None:
    """What was asked for, None for an unknown task."""
    columns = task_request.c
    row = connection.execute(
        select(columns.shard, columns.created_ts, columns.request).where(columns.task_id == task_id)
    ).one_or_none()
    if row is None:
        return None
    return StoredRequest(
        task_id=task_id,
        shard=row.shard,
        created_ts=row.created_ts,
        request=TaskRequest.model_validate(row.request),
    )


def shard_of_task(connection: Connection, task_id: TaskId) -> int | None:
    """The shard that a task was given to, None for an unknown task."""
    found: int | None = connection.execute(
        select(task_request.c.shard).where(task_request.c.task_id == task_id)
    ).scalar_one_or_none()
    return found


def _row(item: NewRequest) -> dict[str, Any]:
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
        "tags": list(request.tags),
        "request": request.model_dump(mode="json"),
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
_STATEMENT = text(
    """
    WITH item AS MATERIALIZED (
        SELECT * FROM unnest(
            CAST(:task_id AS bigint[]), CAST(:nonce AS bigint[]), CAST(:shard AS smallint[]),
            CAST(:created_ts AS timestamptz[]), CAST(:expiration_ts AS timestamptz[]), CAST(:name AS text[]),
            CAST(:pool AS text[]), CAST(:priority AS smallint[]), CAST(:user AS text[]),
            CAST(:parent_task_id AS bigint[]), CAST(:tags AS text[]), CAST(:request AS text[]),
            CAST(:secret_bytes AS bytea[]), CAST(:caller AS text[]), CAST(:request_uuid AS text[])
        ) WITH ORDINALITY AS given (
            task_id, nonce, shard, created_ts, expiration_ts, name, pool, priority, "user",
            parent_task_id, tags, request, secret_bytes, caller, request_uuid, place
        )
    ), taken AS (
        SELECT task_id, earlier.nonce FROM item JOIN task_request AS earlier USING (task_id)
    ), fresh AS (
        SELECT * FROM item WHERE NOT EXISTS (SELECT FROM taken WHERE taken.task_id = item.task_id)
    ), won AS (
        INSERT INTO submission (caller, request_uuid, task_id, created_ts)
        SELECT caller, request_uuid, task_id, created_ts FROM fresh
        WHERE request_uuid IS NOT NULL ORDER BY caller, request_uuid, place
        ON CONFLICT DO NOTHING
        RETURNING caller, request_uuid, task_id
    ), written AS (
        INSERT INTO task_request (
            task_id, nonce, shard, created_ts, expiration_ts, name, pool, priority, "user",
            parent_task_id, tags, request, secret_bytes
        )
        SELECT
            task_id, nonce, shard, created_ts, expiration_ts, name, pool, priority, "user",
            parent_task_id, CAST(tags AS jsonb), CAST(request AS jsonb), secret_bytes
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
)
_ARRAYS: Mapping[str, Any] = {
    "task_id": BigInteger,
    "nonce": BigInteger,
    "shard": SmallInteger,
    "created_ts": DateTime(timezone=True),
    "expiration_ts": DateTime(timezone=True),
    "name": Text,
    "pool": Text,
    "priority": SmallInteger,
    "user": Text,
    "parent_task_id": BigInteger,
    "tags": Text,
    "request": Text,
    "secret_bytes": LargeBinary,
    "caller": Text,
    "request_uuid": Text,
}
_TYPED_STATEMENT = _STATEMENT.bindparams(*(bindparam(name, type_=ARRAY(kind)) for name, kind in _ARRAYS.items()))


def _write_in_one_statement(
    connection: Connection, items: Sequence[NewRequest], rows: Sequence[dict[str, Any]]
) -> list[WriteOutcome]:
    written_out = [
        row
        | {
            "tags": json.dumps(row["tags"]),
            "request": item.request.model_dump_json(),
            "caller": item.caller,
            "request_uuid": item.request_uuid,
        }
        for item, row in zip(items, rows, strict=True)
    ]
    arrays = {name: [row[name] for row in written_out] for name in _ARRAYS}
    found = connection.execute(_TYPED_STATEMENT, arrays).all()
    return [
        _outcome(item, is_written=one.is_written, nonce=one.nonce, first=one.first)
        for item, one in zip(items, found, strict=True)
    ]


def _write_portably(
    connection: Connection, items: Sequence[NewRequest], rows: Sequence[dict[str, Any]]
) -> list[WriteOutcome]:
    return [_write_one(connection, item, row) for item, row in zip(items, rows, strict=True)]


# Made once: making a statement takes longer than running it.
_NONCE = select(task_request.c.nonce).where(task_request.c.task_id == bindparam("of_task"))
_FIRST = select(submission.c.task_id).where(
    submission.c.caller == bindparam("of_caller"), submission.c.request_uuid == bindparam("of_uuid")
)
_INSERT_REQUEST = task_request.insert()
_INSERT_SUBMISSION = submission.insert()


def _write_one(connection: Connection, item: NewRequest, row: Mapping[str, Any]) -> WriteOutcome:
    nonce = connection.execute(_NONCE, {"of_task": item.task_id}).scalar_one_or_none()
    first = None
    if item.request_uuid is not None:
        key = {"of_caller": item.caller, "of_uuid": item.request_uuid}
        first = connection.execute(_FIRST, key).scalar_one_or_none()
    is_new = nonce is None and first is None
    if is_new:
        connection.execute(_INSERT_REQUEST, row)
        if item.request_uuid is not None:
            connection.execute(_INSERT_SUBMISSION, _submission(item))
    return _outcome(item, is_written=is_new, nonce=nonce, first=first)


def _submission(item: NewRequest) -> Mapping[str, Any]:
    return {
        "caller": item.caller,
        "request_uuid": item.request_uuid,
        "task_id": item.task_id,
        "created_ts": item.created_ts,
    }
