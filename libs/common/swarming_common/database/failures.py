"""Translates what drivers raise into the two errors of the database port."""

from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def translated() -> Iterator[None]:
    """Inside, foreign errors become DataRejected or DatabaseAway; mistakes of ours (bad SQL) come out as they are."""
    try:
        yield
    except StatementError as error:
        if _is_rejection(error):
            raise DataRejected(_reason(error)) from error
        if _is_absence(error):
            raise DatabaseAway(_reason(error)) from error
        raise
    except (OverflowError, UnicodeEncodeError) as error:  # sqlite3 says these of a value, without an error of its own
        raise DataRejected(str(error)) from error
    except (OSError, TimeoutError, PoolTimeout) as error:
        raise DatabaseAway(f"the database cannot be reached ({type(error).__name__}: {error})") from error
    except SQLAlchemyError as error:
        if "closed" in str(error):
            raise DatabaseAway(str(error)) from error
        raise


def _sqlstate(error: StatementError) -> str:
    return str(getattr(error.orig, "sqlstate", None) or "")


def _is_rejection(error: StatementError) -> bool:
    if _sqlstate(error).startswith(_REJECTED_CLASSES):
        return True
    names = {cls.__name__ for cls in type(error.orig).__mro__} | {cls.__name__ for cls in type(error).__mro__}
    # ValueError: what a driver says of a value that it cannot put into a parameter
    return bool(names & {"IntegrityError", "DataError", "ValueError", "OverflowError", "UnicodeEncodeError"})


def _is_absence(error: StatementError) -> bool:
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if _sqlstate(error):
        return _sqlstate(error).startswith(_AWAY_CLASSES)
    return isinstance(error, OperationalError | InterfaceError)


def _reason(error: StatementError) -> str:
    return str(error.orig or error).strip().splitlines()[0]
