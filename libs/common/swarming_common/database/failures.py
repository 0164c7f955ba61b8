"""Translates what drivers raise into the two errors of the database port."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg
from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError, SQLAlchemyError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from swarming_common.errors import DatabaseAway, DataRejected

_REJECTED_CLASSES = ("22", "23")  # data exception, integrity constraint violation
_AWAY_CLASSES = (
    "08",  # connection
    "25",  # transaction state
    "40",  # rollback
    "53",  # resources, a full disk among them
    "55",  # not in the state that is needed
    "57",  # operator intervention
    "58",  # system error
    "XX",  # internal error
)
_STALE_PLAN = "0A000"
"""A statement that was prepared before a migration; another connection prepares it anew."""


_LOST_STATES = ("08", "57P01", "57P02", _STALE_PLAN)  # as above; the server ends this session, or all of them


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
        if _is_absence_of(error):
            raise _away(error, str(error)) from error
        raise
    except asyncpg.InternalClientError as error:  # the driver lost track of what the server says
        raise ConnectionLost(str(error)) from error
    except (OverflowError, UnicodeEncodeError) as error:  # sqlite3 says these of a value, without an error of its own
        raise DataRejected(str(error)) from error
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise _away(error, f"the database cannot be reached ({type(error).__name__}: {error})") from error
    except SQLAlchemyError as error:
        if "closed" in str(error):
            raise DatabaseAway(str(error)) from error
        raise


def leaves_connection_usable(error: BaseException) -> bool:
    """Whether the server itself answered the statement, with an error: then the connection is as good as before. After
    anything else (a cancellation, a timeout, an error of the driver's) an answer may still be on its way."""
    state = _sqlstate_of(error.orig if isinstance(error, StatementError) else error)
    return bool(state) and not state.startswith(_LOST_STATES)


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
        return _is_absence_of(error.orig)
    return isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError


def _is_absence_of(error: BaseException | None) -> bool:
    """The same of what the driver itself raised. SQLite raises a plain DatabaseError for a file that is damaged."""
    if isinstance(error, sqlite3.OperationalError | asyncpg.InterfaceError) or type(error) is sqlite3.DatabaseError:
        return True
    return _sqlstate_of(error).startswith((*_AWAY_CLASSES, _STALE_PLAN))


def _reason(error: StatementError) -> str:
    return str(error.orig or error).strip().splitlines()[0]
