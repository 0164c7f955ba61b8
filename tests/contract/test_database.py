"""The database contract on SQLite, always, and on PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from swarming_common.database.migrate import migrate
from swarming_common.database.port import Database
from swarming_common.database.postgres import open_postgres
from swarming_common.database.sqlite import open_sqlite, sqlite_url
from swarming_common.testing.contracts.database import DatabaseContract, FeedContract, GroupCommitContract


class OnSqlite:
    @pytest.fixture
    async def database(self, tmp_path: Path) -> AsyncIterator[Database]:
        await asyncio.to_thread(migrate, sqlite_url(tmp_path))
        database = await open_sqlite(tmp_path)
        yield database
        await database.close()


class OnPostgres:
    @pytest.fixture
    async def database(self, postgres_database: str) -> AsyncIterator[Database]:
        await asyncio.to_thread(migrate, postgres_database)
        database = await open_postgres(postgres_database)
        yield database
        await database.close()


class TestSqliteDatabase(OnSqlite, DatabaseContract):
    pass


class TestSqliteGroupCommit(OnSqlite, GroupCommitContract):
    pass


class TestSqliteFeed(OnSqlite, FeedContract):
    pass


@pytest.mark.real("postgres")
class TestPostgresDatabase(OnPostgres, DatabaseContract):
    pass


@pytest.mark.real("postgres")
class TestPostgresGroupCommit(OnPostgres, GroupCommitContract):
    pass


@pytest.mark.real("postgres")
class TestPostgresFeed(OnPostgres, FeedContract):
    pass
