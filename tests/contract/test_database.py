"""The database contract on SQLite, always, and on PostgreSQL."""

import pytest

from swarming_common.testing.contracts.database import DatabaseContract, FeedContract, GroupCommitContract
from tests.databases import OnPostgres, OnSqlite


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
