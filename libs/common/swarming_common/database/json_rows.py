"""Many rows for one PostgreSQL statement: a JSON parameter that the statement reads as a set of records."""

from collections.abc import Mapping, Sequence
from typing import Any

import pydantic_core
from sqlalchemy import Column, Table
from sqlalchemy.dialects import postgresql

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def records(table: Table, parameter: str, columns: Sequence[str] | None = None) -> str:
    """A FROM item of these columns of the table (all but `tx` when none are named), read from a parameter made by
    `rows_as_json`, `$1` say; to be given an alias of its own by the caller's SELECT: it comes as `r`."""
    names = columns or column_names(table)
    types = ", ".join(f'"{name}" {_type(table.c[name])}' for name in names)
    return f"jsonb_to_recordset(CAST(CAST({parameter} AS text) AS jsonb)) AS r({types})"


def column_names(table: Table) -> list[str]:
    """Every column that a writer gives a value for."""
    return [column.name for column in table.c if column.name != "tx"]


def quoted(columns: Sequence[str]) -> str:
    """A comma list of column names; `user` is a word of SQL."""
    return ", ".join(f'"{name}"' for name in columns)


def rows_as_json(rows: Sequence[Mapping[str, Any]]) -> str:
    """The parameter. Moments and nested values become JSON as they should; bytes are not for here."""
    return pydantic_core.to_json(rows).decode()


def _type(column: Column[Any]) -> str:
    return str(column.type.dialect_impl(_DIALECT).compile(dialect=_DIALECT))
