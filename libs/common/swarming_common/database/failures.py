"""Translates what drivers raise into the two errors of the database port."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from swarming_common.errors import DatabaseAway, DataRejected

_REJECTED_CLASSES = ("22", "23")  # data exception, integrity constraint violation
_AWAY_CLASSES = (
    "08",
    "25",
    "40",
    "53",
    "55",
    "57",
    "58",
)  # connection, transaction state, rollback, resources, …


_LOST_STATES = ("08", "57P01", "57P02")  # connection exception; the server ends this session, or all of them


class ConnectionLost(DatabaseAway):
    """The connection to the database was lost; a new one may be had at once."""


@contextmanager
def translated() -> Iterator[None]:
    """Inside, foreign errors become DataRejected or DatabaseAway; mistakes of ours (bad SQL) come out as they are."""
    try:
        yield
    except StatementError as error:
        if _is_rejection(error):
            raise DataRejected(_reason(error)) from error
        if _is_absence(error):
            raise _away(error, _reason(error)) from error
        raise
    except (asyncpg.PostgresError, asyncpg.InterfaceError, sqlite3.Error) as error:  # from a hot batch
        if _sqlstate_of(error).startswith(_REJECTED_CLASSES) or _names(error) & _REJECTIONS:
            raise DataRejected(str(error)) from error
        if isinstance(error, sqlite3.OperationalError | asyncpg.InterfaceError) or _sqlstate_of(error).startswith(
            _AWAY_CLASSES
        ):
            raise _away(error, str(error)) from error
        raise
    except (OverflowError, UnicodeEncodeError) as error:  # sqlite3 says these of a value, without an error of its own
        raise DataRejected(str(error)) from error
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise _away(error, f"the database cannot be reached ({type(error).__name__}: {error})") from error
    except SQLAlchemyError as error:
        if "closed" in str(error):
            raise DatabaseAway(str(error)) from error
        raise


_REJECTIONS = {"IntegrityError", "DataError", "ValueError", "OverflowError", "UnicodeEncodeError"}
"""ValueError: what a driver says of a value that it cannot put into a parameter."""


def _away(error: BaseException, reason: str) -> DatabaseAway:
    driver_s = error.orig if isinstance(error, StatementError) else error
    is_lost = (
        (isinstance(error, DBAPIError) and error.connection_invalidated)
        or isinstance(driver_s, ConnectionError | asyncpg.InterfaceError)
        or _sqlstate_of(driver_s).startswith(_LOST_STATES)
    )
    return ConnectionLost(reason) if is_lost else DatabaseAway(reason)


def _sqlstate_of(error: BaseException | None) -> str:
    return str(getattr(error, "sqlstate", None) or "")


def _names(error: BaseException | None) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _is_rejection(error: StatementError) -> bool:
    if _sqlstate_of(error.orig).startswith(_REJECTED_CLASSES):
        return True
    return bool((_names(error.orig) | _names(error)) & _REJECTIONS)


def _is_absence(error: StatementError) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if _sqlstate_of(error.orig):
        return _sqlstate_of(error.orig).startswith(_AWAY_CLASSES)
    return isinstance(error, OperationalError | InterfaceError)


def _reason(error: StatementError) -> str:
    return str(error.orig or error).strip().splitlines()[0]
