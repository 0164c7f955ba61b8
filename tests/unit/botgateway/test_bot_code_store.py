"""What a frontend writes for bots and a gateway reads, on each database."""

from datetime import UTC, datetime, timedelta

import pytest

from swarming_botgateway.bot_code.build import BuiltZip
from swarming_botgateway.store.bot_code import KEPT_FOR, read_bootstrap, read_code_rows, read_zip, write_build
from swarming_common.bot_code.current import CurrentCode
from swarming_common.bot_code.enrolment import digest_of, is_good
from swarming_common.bot_code.kinds import UploadKind
from swarming_frontend.store.uploads import NewUpload, upload_version, upload_versions, write_token, write_upload
from tests.databases import OnPostgres, OnSqlite

NOW = datetime(2026, 7, 1, 12, 30, 0, 123456, tzinfo=UTC)


async def uploaded(database, kind, content, digest="d"):
    new = NewUpload(kind=kind, content=content, digest=digest, reverted_to=None, by="user:a", now=NOW)
    return await database.write(lambda c: write_upload(c, new))


async def built(database, version, *, package="p1", hooks=0, now=NOW):
    zip_ = BuiltZip(version, version.encode())
    await database.write(lambda c: write_build(c, zip_, package, hooks, now))


async def rows(database, now=NOW):
    return await database.read(lambda c: read_code_rows(c, now))


class BotCodeStoreContract:
    """Subclasses supply `database`."""

    async def test_versions_count_from_one_for_each_kind(self, database):
        written = [
            await uploaded(database, kind, b"x")
            for kind in (UploadKind.BOT_CONFIG, UploadKind.BOT_CONFIG, UploadKind.BOOTSTRAP)
        ]

        assert [one.version for one in written] == [1, 2, 1]
        listed = await database.read(lambda c: upload_versions(c, UploadKind.BOT_CONFIG, None, 10))
        assert listed == [written[1], written[0]]
        assert await database.read(lambda c: upload_versions(c, UploadKind.BOT_CONFIG, 2, 10)) == [written[0]]

    async def test_a_version_comes_back_with_its_content(self, database):
        written = await uploaded(database, UploadKind.BOOTSTRAP, b"x\0\xff")

        found = await database.read(lambda c: upload_version(c, UploadKind.BOOTSTRAP, 1))

        assert found == (written, b"x\0\xff")
        assert await database.read(lambda c: upload_version(c, UploadKind.BOOTSTRAP, 2)) is None
        assert await database.read(read_bootstrap) == b"x\0\xff"

    async def test_the_newest_hooks_count_and_none_means_those_of_the_release(self, database):
        assert (await rows(database)).hooks is None

        await uploaded(database, UploadKind.BOT_CONFIG, b"x = 1")
        found = await rows(database)
        await uploaded(database, UploadKind.BOT_CONFIG, None, None)
        after = await rows(database)

        assert (found.hooks_version, found.hooks) == (1, b"x = 1")
        assert (after.hooks_version, after.hooks) == (2, None)

    async def test_an_archive_goes_before_a_build_until_it_is_taken_away(self, database):
        await built(database, "v1")
        await uploaded(database, UploadKind.BOT_ARCHIVE, b"zip", "upstream")
        found = await rows(database)
        await uploaded(database, UploadKind.BOT_ARCHIVE, None, None)

        assert found.current == CurrentCode(version="upstream", is_uploaded=True)
        assert (await rows(database)).current == CurrentCode(version="v1", is_uploaded=False)
        assert found.replaced == {"v1", "upstream"}
        assert (await rows(database)).replaced == {"v1"}
        assert await database.read(lambda c: read_zip(c, "upstream")) == b"zip"
        assert await database.read(lambda c: read_zip(c, "v1")) == b"v1"
        assert await database.read(lambda c: read_zip(c, "v2")) is None

    async def test_a_build_that_is_wanted_again_keeps_when_it_appeared(self, database):
        await built(database, "v1")
        await built(database, "v2", package="p2", now=NOW + timedelta(seconds=10))
        later = NOW + timedelta(seconds=20)
        await built(database, "v1", now=later)

        found = await rows(database, later)

        assert found.current == CurrentCode(version="v2", is_uploaded=False)

    async def test_a_gateway_that_lags_behind_does_not_make_old_hooks_of_a_revert(self, database):
        await built(database, "old", hooks=3)
        await built(database, "new", hooks=2)
        await built(database, "old", hooks=1, now=NOW + timedelta(seconds=1))

        assert (await rows(database)).current == CurrentCode(version="old", is_uploaded=False)

    async def test_builds_that_nobody_wants_for_long_are_forgotten(self, database):
        await built(database, "old")
        await built(database, "new", now=NOW + KEPT_FOR + timedelta(seconds=1))

        assert (await rows(database)).builds == {"new": 0}

    async def test_a_token_is_good_until_it_expires(self, database):
        expires = NOW + timedelta(hours=1)
        await database.write(lambda c: write_token(c, digest_of("secret"), "user:a", NOW, expires))

        async def good(token, now):
            return await database.read(lambda c: is_good(c, token, now))

        assert await good("secret", NOW)
        assert not await good("secret", expires)
        assert not await good("other\0\ud800", NOW)
        await database.write(lambda c: write_token(c, digest_of("next"), "user:a", expires, expires + KEPT_FOR))
        assert not await good("secret", NOW)


class TestBotCodeOnSQLite(OnSqlite, BotCodeStoreContract):
    pass


@pytest.mark.real("postgres")
class TestBotCodeOnPostgres(OnPostgres, BotCodeStoreContract):
    pass
