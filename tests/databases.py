"""Fixtures: a migrated, empty database of either kind, copied from one that was migrated once for the whole run."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from shutil import copyfile, disk_usage
from tempfile import TemporaryDirectory

import pytest

from swarming_common.database.migrate import migrate
from swarming_common.database.port import Database
from swarming_common.database.postgres import open_postgres
from swarming_common.database.sqlite import FILE_NAME, open_sqlite, sqlite_url
from tests.servers.collection import Servers

IN_MEMORY = Path("/dev/shm")
MEMORY_TO_SPARE_BYTES = 512 * 2**20  # a container may have less there


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file to copy: migrating takes longer than most tests."""
    folder = tmp_path_factory.mktemp("migrated")
    migrate(sqlite_url(folder))
    return folder / FILE_NAME


@pytest.fixture
def sqlite_folder(migrated_file: Path, tmp_path: Path) -> Iterator[Path]:
    """A data folder with a migrated, empty database, for open_sqlite. It is in memory where the system has a place for
    that: nobody's work is in it, and on a busy disk a test would wait longer for its commits than it takes."""
    is_there = IN_MEMORY.is_dir() and disk_usage(IN_MEMORY).free > MEMORY_TO_SPARE_BYTES
    with TemporaryDirectory(prefix="swarming-test-", dir=IN_MEMORY if is_there else tmp_path) as name:
        folder = Path(name)
        copyfile(migrated_file, folder / FILE_NAME)
        yield folder


@pytest.fixture
async def sqlite_database(sqlite_folder: Path) -> AsyncIterator[Database]:
    """The database in that folder."""
    database = await open_sqlite(sqlite_folder)
    yield database
    await database.close()


@pytest.fixture
def migrated_postgres(servers: Servers) -> Iterator[str]:
    """The URL of a migrated, empty database."""
    with servers.postgres.database(servers.postgres.template("migrated", migrate)) as url:
        yield url


class OnSqlite:
    """A class of tests whose fixture `database` is SQLite."""

    @pytest.fixture
    def database(self, sqlite_database: Database) -> Database:
        return sqlite_database


class OnPostgres:
    """A class of tests whose fixture `database` is PostgreSQL; to be marked `real("postgres")`."""

    @pytest.fixture
    async def database(self, migrated_postgres: str) -> AsyncIterator[Database]:
        database = await open_postgres(migrated_postgres)
        yield database
        await database.close()
