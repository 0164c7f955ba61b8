"""Knows whether the database can be written, and why not; asked by `/readyz`, by explanations and by pages.

A database that is only read may look well while its disk is full or its server frozen. So each look writes: next to
nothing, at most once a second, and only when somebody asks, so that an idle installation leaves its disk alone.
"""

import asyncio

import structlog
from sqlalchemy import Connection

from swarming_common.clock import Clock
from swarming_common.database.port import Database
from swarming_common.errors import DatabaseAway, SwarmingError

log = structlog.get_logger(__name__)

ANSWER_SECONDS = 1.5
"""A look that takes longer counts as failed; whoever asks has an answer within two seconds."""

FRESH_SECONDS = 1.0
"""For so long the last look counts."""

SILENT = "the database does not answer"

_WORDS = {
    "is full": "the disk of the database is full",
    "No space left": "the disk of the database is full",
    "readonly": "the database is read-only",
    "read-only": "the database is read-only",
    "malformed": "the database is damaged",
    "I/O error": "the disk of the database is full or fails",  # SQLite says so of its index of the log
}


def reason_in_words(error: BaseException) -> str:
    """Why the database cannot be used, in words that are safe to tell anybody: no addresses, no statements."""
    text = str(error)
    return next((words for mark, words in _WORDS.items() if mark in text), SILENT)


class DatabaseHealth:
    """Whether this process can write to its database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._look: asyncio.Task[str | None] | None = None
        self._looked_at = float("-inf")
        self._trouble: str | None = None

    async def trouble(self) -> str | None:
        """What is wrong, in words; None if all is well. Answers within two seconds, and never raises."""
        if self._look is None and self._clock.monotonic() - self._looked_at < FRESH_SECONDS:
            return self._trouble
        if self._look is None:
            self._look = asyncio.create_task(self._write())
        look = self._look
        # The look goes on when its time is up: a write that hangs is not begun a second time.
        await asyncio.wait({look}, timeout=ANSWER_SECONDS)
        if not look.done():
            self._note(SILENT)
        elif self._look is look:
            self._look = None
            self._looked_at = self._clock.monotonic()
            self._note(SILENT if look.cancelled() else look.result())
        return self._trouble

    async def close(self) -> None:
        """Give up a look that is under way."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait({self._look})

    async def _write(self) -> str | None:
        try:
            await self._database.write(_write_next_to_nothing)
        except DatabaseAway as error:
            return reason_in_words(error)
        except SwarmingError as error:
            return str(error)
        return None

    def _note(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        if trouble is None:
            log.warning("database_well_again")
        else:
            log.error("database_in_trouble", reason=trouble)
        self._trouble = trouble


def _write_next_to_nothing(connection: Connection) -> None:
    """Something that has to reach the disk, and that belongs to no table."""
    if connection.dialect.name == "sqlite":
        version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        connection.exec_driver_sql(f"PRAGMA user_version = {(version + 1) % 2**31}")
    else:
        connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'swarming', 'health')")
