"""What the portable form of a hot batch (port.py) is made of."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Executable
from sqlalchemy.dialects import sqlite

_SQLITE = sqlite.dialect()

_Bind = tuple[str, Any, Callable[[Any], Any] | None]


class Prepared:
    """A Core statement that on SQLite is compiled once and run by the driver; elsewhere SQLAlchemy runs it.

    Not for `in_` of a list, whose parameters are made anew at each execution.
    """

    def __init__(self, statement: Executable) -> None:
        self._statement = statement

    def write(self, connection: Connection, row: Mapping[str, Any]) -> int:
        """Returns how many rows it changed."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, row).rowcount
        return int(self._run(connection, row).rowcount)

    def all(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any]:
        """The rows that a query finds; their columns are attributes."""
        if connection.dialect.name != "sqlite":
            return connection.execute(self._statement, values).all()
        make, readers = self._result
        return [
            make(value if read is None else read(value) for read, value in zip(readers, found, strict=True))
            for found in self._run(connection, values).fetchall()
        ]

    def one_or_none(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        """The row that a query by key finds."""
        found = self.all(connection, values)
        return found[0] if found else None

    def _run(self, connection: Connection, values: Mapping[str, Any]) -> Any:
        sql, binds = self._compiled
        given = [
            values.get(name, default) if write is None else write(values.get(name, default))
            for name, default, write in binds
        ]
        driver: Any = connection.connection.dbapi_connection
        return driver.execute(sql, given)

    @cached_property
    def _compiled(self) -> tuple[str, list[_Bind]]:
        compiled: Any = self._statement.compile(dialect=_SQLITE)  # type: ignore[attr-defined]
        binds = [compiled.binds[name] for name in compiled.positiontup]
        processors = [bind.type.dialect_impl(_SQLITE).bind_processor(_SQLITE) for bind in binds]
        names = zip(compiled.positiontup, binds, processors, strict=True)
        return str(compiled), [(name, bind.value, processor) for name, bind, processor in names]

    @cached_property
    def _result(self) -> tuple[Callable[[Any], Any], list[Callable[[Any], Any] | None]]:
        columns = list(self._statement.selected_columns)  # type: ignore[attr-defined]
        row = namedtuple("row", [column.name for column in columns])  # type: ignore[misc]
        return row._make, [column.type.dialect_impl(_SQLITE).result_processor(_SQLITE, None) for column in columns]
