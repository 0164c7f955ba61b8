"""Feeds: rows in the order they were committed, so that what no hint told is found all the same.

On PostgreSQL a row carries the id of its transaction. A reader reads from its cursor on, but moves the cursor only to
the oldest transaction that is still under way, so a row that commits late is not missed; rows beyond that come again
with the next reading. On SQLite, with one writer, the rowid is the order of commits.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, TextClause, bindparam, text

from swarming_common.database.port import Database

BEGINNING = 0
PAGE_ROWS = 2_000


class Feed:
    """Reads the rows of one query, and remembers how far all has been seen."""

    def __init__(self, table: Table, query: Select[Any], cursor: int = BEGINNING) -> None:
        """`query` must select the table's column `tx`, and not order or limit."""
        self._table = table
        self._query = query
        self.cursor = cursor
        """Everything before this was read; to be stored, in the same commit as the work if that matters."""

    async def read(self, database: Database) -> AsyncIterator[Sequence[Row[Any]]]:
        """Page after page of what there is now, some of which may have been seen before.

        The cursor moves when the last page was taken, so an unfinished round is read again.
        """
        position: int | None = self.cursor
        horizon: int | None = None
        last = self.cursor
        while position is not None:
            page = await database.read(partial(read_page, table=self._table, query=self._query, start=position))
            horizon = page.horizon if horizon is None else horizon
            position, last = page.following, page.end
            if page.rows:
                yield page.rows
        self.cursor = max(self.cursor, last if horizon is None else horizon)


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some rows. `following` is where the next page begins, None at the end; `end` is just past the last row; the
    cursor may move to `horizon` at most (None: to the end)."""

    rows: Sequence[Row[Any]]
    following: int | None
    end: int
    horizon: int | None


def read_page(
    connection: Connection, table: Table, query: Select[Any], start: int, page_rows: int = PAGE_ROWS
) -> FeedPage:
    """The rows from `start` on, in commit order. A page ends between two transactions; one that is larger than a page
    is read whole."""
    horizon = settled(connection)
    wanted = query.where(_at_or_after(connection, table)).order_by(table.c.tx).limit(page_rows)
    position = str(start) if connection.dialect.name == "postgresql" else start
    rows = connection.execute(wanted, {"feed_position": position}).all()
    if len(rows) < page_rows:
        end = int(rows[-1].tx) + 1 if rows else start
        return FeedPage(rows, None, end, horizon)
    last = int(rows[-1].tx)
    whole = [row for row in rows if int(row.tx) < last]
    if not whole:
        return read_page(connection, table, query, start, page_rows * 4)
    return FeedPage(whole, last, last, horizon)


def settled(connection: Connection) -> int | None:
    """Every transaction before this one has ended; None where transactions end in order anyway (SQLite)."""
    if connection.dialect.name != "postgresql":
        return None
    return int(connection.execute(text("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")).scalar_one())


def _at_or_after(connection: Connection, table: Table) -> ColumnElement[bool] | TextClause:
    if connection.dialect.name == "postgresql":
        return text(f"{table.name}.tx >= CAST(CAST(:feed_position AS text) AS xid8)")
    return table.c.tx >= bindparam("feed_position")
