"""Column types that mean the same on SQLite and PostgreSQL."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeDecorator, TypeEngine, UserDefinedType

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC, to the microsecond: timestamptz on PostgreSQL, microseconds since 1970 on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that the database knows."""
        return dialect.type_descriptor(DateTime(timezone=True) if dialect.name == "postgresql" else BigInteger())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """To the database."""
        if value is None or dialect.name == "postgresql":
            return value
        return (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """From the database."""
        if value is None:
            return None
        if dialect.name == "postgresql":
            moment: datetime = value
            return moment.astimezone(UTC)
        return _EPOCH + int(value) * _MICROSECOND


class _Xid8(UserDefinedType[int]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


class CommitOrder(TypeDecorator[int]):
    """Orders rows by commit for feeds: the transaction's xid8 on PostgreSQL, the growing rowid on SQLite."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """The type that the database knows."""
        return dialect.type_descriptor(_Xid8() if dialect.name == "postgresql" else BigInteger())


Json = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")
"""A JSON value; jsonb on PostgreSQL."""

CompactJson = JSON(none_as_null=True)
"""A JSON value that no index covers: json on PostgreSQL, the text itself, which takes two thirds of its jsonb form."""


class Coded(TypeDecorator[str]):
    """A word of a fixed list, stored as its code, a smallint. Codes are never given to another word.

    SQL that does not come from SQLAlchemy names the code itself, so a code is accepted for its word when written.
    A code without a word, of a newer release, is read as `code 99`.
    """

    impl = SmallInteger
    cache_ok = True

    def __init__(self, codes: Mapping[str, int]) -> None:
        super().__init__()
        self.codes = tuple(codes.items())
        self._to_code = dict(codes)
        self._to_word = {code: str(word) for word, code in codes.items()}

    def process_bind_param(self, value: str | int | None, dialect: Dialect) -> Any:
        """To the database. Raises KeyError for a word without a code."""
        return self._to_code[value] if isinstance(value, str) else value

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:
        """From the database."""
        return None if value is None else self._to_word.get(value, f"code {value}")
