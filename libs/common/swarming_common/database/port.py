"""What every database promises."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Work = Callable[[Connection], T]
"""SQL of one batch or query, in plain SQLAlchemy Core. It runs where the adapter wants it (a thread, a greenlet), so
it must touch nothing but its connection and its arguments."""


@dataclass(frozen=True, slots=True)
class HotBatch(Generic[T]):
    """A write, or a query, on the way of every task, in two forms that mean the same; a suite of tests runs both.

    SQLAlchemy takes several times as long to run a statement as the database does, so these few go to the drivers
    themselves: to PostgreSQL as one statement, to SQLite row by row with what hot.py prepared.
    """

    portable: Work[T]
    """Row by row, for every dialect."""
    statement: str
    """For PostgreSQL, with `$1` and so on; it needs no transaction around it."""
    arguments: Callable[[], tuple[Any, ...]]
    """Makes those of the statement."""
    read: Callable[[Sequence[Mapping[str, Any]]], T]
    """Makes the result of the statement's rows."""


class Writer(Protocol):
    """One connection that holds locks and makes writes: when it dies, the locks and the writes go together."""

    async def try_lock(self, key: int) -> bool:
        """Take a lock without waiting; False when another has it. Holding it already is fine."""

    async def unlock(self, key: int) -> None:
        """Let go of a lock."""

    async def write(self, work: Work[T]) -> T:
        """As `Database.write`, on this connection. Raises DatabaseAway, and then the writer is lost."""

    async def write_hot(self, batch: HotBatch[T]) -> T:
        """As `Database.write_hot`, likewise."""

    async def beat(self) -> None:
        """Show that this writer lives: to be called every second. Raises DatabaseAway when it is lost."""

    async def close(self) -> None:
        """Let go of all locks and disconnect."""


class Database(Protocol):
    """Durable rows. Raises DatabaseAway when the database cannot be reached, DataRejected for a value or a constraint
    that the data breaks."""

    @property
    def dialect(self) -> str:
        """`postgresql` or `sqlite`."""

    async def read(self, work: Work[T]) -> T:
        """Run a query that writes nothing. Each statement sees what was committed when it began."""

    async def read_hot(self, batch: HotBatch[T]) -> T:
        """The same for a batch of questions that are asked on the way of every task."""

    async def write(self, work: Work[T], *, durable: bool = True) -> T:
        """Run a batch in one transaction; once this returns it is safe on disk, when it raises DataRejected nothing
        of it was written, when it raises DatabaseAway it may or may not be there.

        Without `durable` the batch survives the death of any process, but a power
        cut may undo it, and then everything after it too: for what comes back by itself, like counts with their cursor.
        """

    async def write_hot(self, batch: HotBatch[T], *, durable: bool = True) -> T:
        """The same for a hot batch."""

    async def open_writer(self, name: str) -> Writer:
        """A connection of one's own for locks and writes; `name` shows in the server's list of sessions."""

    async def now(self) -> datetime:
        """The database's clock, in UTC."""

    async def close(self) -> None:
        """Finish what was accepted and disconnect."""
