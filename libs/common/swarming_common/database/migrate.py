"""Brings a database to the current schema."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, create_engine, event, text
from sqlalchemy.ext.asyncio import create_async_engine

from swarming_common.database.failures import translated
from swarming_common.database.postgres import LOCK_CLASS, asyncpg_url

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK_KEY = -1
"""Shards lock keys from 0 on; two services that migrate at once take turns on this one."""


def migrate(url: str) -> None:
    """Bring the database at `sqlite:///…` or `postgresql://…` to the current schema; repeatable, safe to race.

    To be called outside an event loop, or in a thread. Raises DatabaseAway.
    """
    if url.startswith("sqlite:"):
        _migrate_sqlite(url)
    else:
        asyncio.run(_migrate_postgres(url))


def upgrade(connection: Connection, to: str = "head") -> None:
    """Run the missing migrations on this connection, inside its transaction; all of them, or up to one."""
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def _migrate_sqlite(url: str) -> None:
    Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)

    @event.listens_for(engine, "connect")
    def begin_by_hand(connection: object, _: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    with translated(), engine.begin() as connection:
        upgrade(connection)
    engine.dispose()


async def _migrate_postgres(url: str) -> None:
    engine = create_async_engine(asyncpg_url(url))
    try:
        with translated():
            async with engine.begin() as connection:
                await connection.execute(
                    text("SELECT pg_advisory_xact_lock(CAST(:class AS integer), CAST(:key AS integer))"),
                    {"class": LOCK_CLASS, "key": _LOCK_KEY},
                )
                await connection.run_sync(upgrade)
    finally:
        await engine.dispose()
