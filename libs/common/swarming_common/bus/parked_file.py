"""The embedded dead-letter queue: a small SQLite file beside the database, or memory in tests.

It is a file of its own, so that an operator's command can read it, and mark what is to be replayed, while the
standalone process runs, and also while it does not: an upgrade, after which a replay makes sense, is a restart.
"""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from swarming_common.bus.parked import (
    MAX_PARKED_BYTES,
    MAX_PARKED_MESSAGES,
    Origin,
    Outcome,
    Parked,
    ParkingBusy,
    ParkingUnusable,
)

FILE_NAME = "parked.db"

BUSY_SECONDS = 1.0
"""Another process holds the file for milliseconds; the event loop would wait as long."""

_COLUMNS = "id, parked_at, origin, source, kind, reason, process, tries, routing_key, headers, body"
_SCHEMA = f"""CREATE TABLE IF NOT EXISTS parked (number INTEGER PRIMARY KEY AUTOINCREMENT,
    {_COLUMNS.replace("id,", "id UNIQUE,", 1)}, is_to_replay INTEGER NOT NULL DEFAULT 0)"""
_TRIM = """DELETE FROM parked WHERE number <= (SELECT max(number) FROM (
    SELECT number, count(*) OVER newer AS messages, sum(length(body)) OVER newer AS bytes FROM parked
    WINDOW newer AS (ORDER BY number DESC)) WHERE messages > ? OR bytes > ?)"""


class ParkedFile:
    """See Parking, which it provides to an operator; the rest is for the bus. Its calls take well under a millisecond,
    and none is made while all goes well."""

    def __init__(self, path: Path | None = None) -> None:
        """Open or make the file; None keeps it in memory."""
        self._marked: list[Callable[[], None]] = []
        with _translated():
            self._connection = sqlite3.connect(path or ":memory:", timeout=BUSY_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA synchronous=FULL")
            self._connection.execute(_SCHEMA)

    def put(self, parked: Sequence[Parked]) -> None:
        """Keep these; the oldest go when it is full."""
        with self._transaction():
            self._connection.executemany(
                f"INSERT INTO parked ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_values(one) for one in parked],
            )
            self._connection.execute(_TRIM, (MAX_PARKED_MESSAGES, MAX_PARKED_BYTES))

    def to_replay(self) -> list[Parked]:
        """What an operator wants replayed, oldest first."""
        return self._select("WHERE is_to_replay ORDER BY number")

    def remove(self, id_: str) -> None:
        """It was replayed."""
        self._transact(f"DELETE FROM parked WHERE {_BY_ID}", [id_])

    def on_mark(self, call: Callable[[], None]) -> None:
        """Call this when a replay was asked for through this very object."""
        self._marked.append(call)

    async def parked(self, limit: int = MAX_PARKED_MESSAGES) -> Sequence[Parked]:
        """See Parking. What was marked for a replay is listed until the bus has brought it."""
        return self._select(f"ORDER BY number LIMIT {int(limit)}")

    async def replay(self, ids: Collection[str] | None = None) -> Outcome:
        """Mark these; the process that has the bus brings them within a second, or when it starts again."""
        done = self._each("UPDATE parked SET is_to_replay = 1", ids)
        for call in self._marked:
            call()
        return Outcome(done)

    async def drop(self, ids: Collection[str] | None = None) -> Outcome:
        """See Parking."""
        return Outcome(self._each("DELETE FROM parked", ids))

    def close(self) -> None:
        """Repeats safely."""
        self._connection.close()

    def _select(self, rest: str) -> list[Parked]:
        with _translated():
            return [_parked(row) for row in self._connection.execute(f"SELECT {_COLUMNS} FROM parked {rest}")]

    def _each(self, change: str, ids: Collection[str] | None) -> list[str]:
        with self._transaction():
            wanted = list(ids) if ids is not None else [one.id for one in self._select("ORDER BY number")]
            return [id_ for id_ in wanted if self._connection.execute(f"{change} WHERE {_BY_ID}", [id_]).rowcount]

    def _transact(self, statement: str, values: Sequence[object]) -> None:
        with self._transaction():
            self._connection.execute(statement, values)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _translated():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")


_BY_ID = "id = ?"


def _values(parked: Parked) -> tuple[object, ...]:
    return (
        parked.id,
        parked.parked_at.isoformat(),
        parked.origin.value,
        parked.source,
        parked.kind,
        parked.reason,
        parked.process,
        parked.tries,
        parked.routing_key,
        json.dumps(dict(parked.headers)),
        parked.body,
    )


def _parked(row: tuple[object, ...]) -> Parked:
    id_, parked_at, origin, source, kind, reason, process, tries, routing_key, headers, body = row
    return Parked(
        id=str(id_),
        parked_at=datetime.fromisoformat(str(parked_at)),
        origin=Origin(str(origin)),
        source=str(source),
        kind=str(kind),
        reason=str(reason),
        process=str(process),
        tries=int(str(tries)),
        routing_key=str(routing_key),
        headers=json.loads(str(headers)),
        body=body if isinstance(body, bytes) else b"",
    )


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise ParkingBusy from error
        raise ParkingUnusable(f"cannot use the file of what is parked: {error}") from error
    except sqlite3.DatabaseError as error:
        raise ParkingUnusable(f"cannot use the file of what is parked: {error}") from error
