"""What every database promises, and what group commit and feeds build on it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from swarming_common.database import group_commit
from swarming_common.database.dialects import insert
from swarming_common.database.feed import Feed
from swarming_common.database.group_commit import GroupCommit, HotGroupCommit, TooManyWait
from swarming_common.database.port import Database, HotBatch
from swarming_common.database.tables import command
from swarming_common.errors import DataRejected

MOMENT = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)


def a_command(command_id: str, shard: int = 3, **arguments: object) -> dict[str, Any]:
    """A row that is easy to write."""
    return {
        "command_id": command_id,
        "shard": shard,
        "kind": "cancel",
        "task_id": (1 << 62) + 5,
        "arguments": arguments,
        "given_by": "user:a@b",
        "created_ts": MOMENT,
    }


def add(connection: Connection, *command_ids: str, shard: int = 3) -> None:
    """Write commands; one that is there already is refused."""
    connection.execute(command.insert(), [a_command(one, shard) for one in command_ids])


def adding(*command_ids: str) -> HotBatch[Sequence[str]]:
    """A hot batch that adds commands and calls back each one's id."""

    def portable(connection: Connection) -> Sequence[str]:
        add(connection, *command_ids)
        return [f"{one}!" for one in command_ids]

    statement = """
        INSERT INTO command (command_id, shard, kind, arguments, given_by, created_ts)
        SELECT id, 3, 'cancel', '{}', 'user:a@b', now() FROM unnest(CAST($1 AS text[])) AS id
        RETURNING command_id || '!' AS echo
        """
    return HotBatch(portable, statement, lambda: (list(command_ids),), lambda rows: [row["echo"] for row in rows])


def known(connection: Connection) -> set[str]:
    """The commands that are there."""
    return set(connection.execute(select(command.c.command_id)).scalars())


KNOWN = HotBatch(
    known, "SELECT command_id FROM command", lambda: (), lambda rows: {str(row["command_id"]) for row in rows}
)
"""The same as a hot query."""


class DatabaseContract:
    """Subclasses supply the fixture `database`: migrated, and empty."""

    async def test_what_was_written_is_read_as_it_was(self, database: Database) -> None:
        row = a_command("c1", kill_running=True, text="ü")

        await database.write(lambda c: c.execute(command.insert(), row) and None)

        found = await database.read(lambda c: c.execute(select(command)).one()._asdict())
        assert row.items() <= found.items()

    async def test_a_batch_that_fails_leaves_nothing(self, database: Database) -> None:
        def half(connection: Connection) -> None:
            add(connection, "c1")
            raise RuntimeError("on purpose")

        with pytest.raises(RuntimeError, match="on purpose"):
            await database.write(half)

        assert await database.read(known) == set()

    async def test_a_broken_constraint_is_the_data_s_fault_and_harms_no_neighbour(self, database: Database) -> None:
        await database.write(lambda c: add(c, "taken"))

        outcomes = await asyncio.gather(
            *(database.write(lambda c, i=i: add(c, f"c{i}")) for i in range(5)),  # type: ignore[misc]
            database.write(lambda c: add(c, "before", "taken")),
            *(database.write(lambda c, i=i: add(c, f"d{i}")) for i in range(5)),  # type: ignore[misc]
            return_exceptions=True,
        )

        assert [type(one) for one in outcomes if one is not None] == [DataRejected]
        expected = {"taken", *(f"{letter}{i}" for letter in "cd" for i in range(5))}
        assert await database.read(known) == expected

    async def test_a_number_that_no_column_holds_is_the_data_s_fault(self, database: Database) -> None:
        row = a_command("c1") | {"task_id": 1 << 70}

        with pytest.raises(DataRejected):
            await database.write(lambda c: c.execute(command.insert(), row) and None)

    async def test_the_clock_is_in_utc_and_about_now(self, database: Database) -> None:
        now = await database.now()

        assert now.utcoffset() == timedelta(0)
        assert abs(now - datetime.now(UTC)) < timedelta(minutes=5)

    async def test_a_hot_batch_is_written_whole_or_not_at_all(self, database: Database) -> None:
        assert await database.write_hot(adding("a", "b")) == ["a!", "b!"]

        with pytest.raises(DataRejected):
            await database.write_hot(adding("c", "a"))

        assert await database.read(known) == {"a", "b"}

    async def test_a_hot_query_sees_what_was_written_before(self, database: Database) -> None:
        await database.write_hot(adding("a", "b"))

        assert await database.read_hot(KNOWN) == {"a", "b"}

    async def test_a_writer_holds_its_locks_and_writes(self, database: Database) -> None:
        writer = await database.open_writer("contract")

        assert await writer.try_lock(5)
        assert await writer.try_lock(5)
        await writer.beat()
        await writer.write(lambda c: add(c, "in a transaction"))
        await writer.write_hot(adding("alone"))
        await writer.unlock(5)

        assert await database.read(known) == {"in a transaction", "alone"}
        await writer.close()


class GroupCommitContract:
    """Subclasses supply the fixture `database`: migrated, and empty."""

    async def test_everybody_gets_their_own_result(self, database: Database) -> None:
        group: GroupCommit[str, str] = GroupCommit(database, _write_and_echo, name="contract")

        results = await asyncio.gather(*(group.submit(f"c{i}") for i in range(300)))

        assert results == [f"c{i}!" for i in range(300)]
        assert await database.read(lambda c: c.execute(select(func.count()).select_from(command)).scalar()) == 300

    async def test_only_the_guilty_one_fails(self, database: Database) -> None:
        await database.write(lambda c: add(c, "taken"))
        group: GroupCommit[str, str] = GroupCommit(database, _write_and_echo, name="contract")

        outcomes = await asyncio.gather(*(group.submit(one) for one in ("a", "taken", "b")), return_exceptions=True)

        assert [outcomes[0], outcomes[2]] == ["a!", "b!"]
        assert isinstance(outcomes[1], DataRejected)
        assert await database.read(known) == {"taken", "a", "b"}

    async def test_of_hot_items_too_only_the_guilty_one_fails(self, database: Database) -> None:
        await database.write(lambda c: add(c, "taken"))
        group: GroupCommit[str, str] = HotGroupCommit(database, lambda items: adding(*items), name="contract")

        outcomes = await asyncio.gather(*(group.submit(one) for one in ("a", "taken", "b")), return_exceptions=True)

        assert [outcomes[0], outcomes[2]] == ["a!", "b!"]
        assert isinstance(outcomes[1], DataRejected)
        assert await database.read(known) == {"taken", "a", "b"}

    async def test_one_that_was_alone_when_it_was_refused_is_tried_once_more(self, database: Database) -> None:
        tries: list[str] = []

        def write(connection: Connection, items: Sequence[str]) -> Sequence[str]:
            tries.extend(items)
            if len(tries) == 1:  # as if somebody wrote it just then, and has written it when it comes again
                add(connection, *items, *items)
            return _write_or_find(connection, items)

        group: GroupCommit[str, str] = GroupCommit(database, write, name="contract")

        assert await group.submit("c1") == "written"
        assert tries == ["c1", "c1"]

    async def test_one_that_is_refused_for_good_fails_after_its_second_try(self, database: Database) -> None:
        tries: list[str] = []

        def write(connection: Connection, items: Sequence[str]) -> Sequence[str]:
            tries.extend(items)
            add(connection, *items, *items)
            return items

        group: GroupCommit[str, str] = GroupCommit(database, write, name="contract")

        with pytest.raises(DataRejected):
            await group.submit("c1")
        assert tries == ["c1", "c1"]

    async def test_when_too_many_wait_the_next_is_refused_and_not_written(
        self, database: Database, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(group_commit, "MAX_WAITING", 3)
        group: GroupCommit[str, str] = GroupCommit(database, _write_and_echo, name="contract")

        outcomes = await asyncio.gather(*(group.submit(f"c{i}") for i in range(5)), return_exceptions=True)
        later = await group.submit("c5")

        assert outcomes[:3] == ["c0!", "c1!", "c2!"]
        assert [type(one) for one in outcomes[3:]] == [TooManyWait, TooManyWait]
        assert later == "c5!"
        assert await database.read(known) == {"c0", "c1", "c2", "c5"}

    async def test_what_comes_during_a_commit_shares_the_next_one(self, database: Database) -> None:
        sizes: list[int] = []

        def write(connection: Connection, items: Sequence[str]) -> Sequence[str]:
            sizes.append(len(items))
            return _write_and_echo(connection, items)

        group: GroupCommit[str, str] = GroupCommit(database, write, name="contract")
        await asyncio.gather(*(group.submit(f"c{i}") for i in range(100)))

        assert sum(sizes) == 100
        assert len(sizes) <= 2

    async def test_a_repeated_write_is_told_by_its_nonce(self, database: Database) -> None:
        group: GroupCommit[str, str] = GroupCommit(database, _write_or_find, name="contract")

        assert await group.submit("c1") == "written"
        assert await group.submit("c1") == "found"


class FeedContract:
    """Subclasses supply the fixture `database`: migrated, and empty."""

    async def test_rows_come_in_commit_order_and_once_they_are_settled_only_once(self, database: Database) -> None:
        feed = _feed()
        for name in ("z", "a", "m"):
            await database.write(lambda c, name=name: add(c, name))  # type: ignore[misc]

        first = await _read(feed, database)
        async with asyncio.timeout(30):  # others on the same server may have transactions under way
            while await _read(feed, database):  # noqa: ASYNC110 - nobody tells when they end
                await asyncio.sleep(0.05)
        await database.write(lambda c: add(c, "b"))
        second = await _read(feed, database)

        assert first == ["z", "a", "m"]
        assert second == ["b"]

    async def test_a_feed_that_was_opened_again_at_its_cursor_reads_on(self, database: Database) -> None:
        feed = _feed()
        await database.write(lambda c: add(c, "a"))
        await _read(feed, database)
        await database.write(lambda c: add(c, "b"))

        again = await _read(_feed(feed.cursor), database)

        assert again[-1:] == ["b"]

    async def test_many_rows_come_in_pages_and_none_is_missed(self, database: Database) -> None:
        names = [f"c{i:04d}" for i in range(5_000)]
        for start in range(0, 5_000, 500):
            await database.write(lambda c, start=start: add(c, *names[start : start + 500]))  # type: ignore[misc]

        found = await _read(_feed(), database)

        assert sorted(found) == names
        batches = [int(name[1:]) // 500 for name in found]
        assert batches == sorted(batches)

    async def test_a_transaction_larger_than_a_page_is_read_whole(self, database: Database) -> None:
        names = [f"c{i:04d}" for i in range(3_000)]
        await database.write(lambda c: add(c, *names))

        assert sorted(await _read(_feed(), database)) == names

    async def test_another_shard_s_rows_are_not_read(self, database: Database) -> None:
        await database.write(lambda c: add(c, "other", shard=4))

        assert await _read(_feed(), database) == []


def _write_and_echo(connection: Connection, items: Sequence[str]) -> Sequence[str]:
    add(connection, *items)
    return [f"{one}!" for one in items]


def _write_or_find(connection: Connection, items: Sequence[str]) -> Sequence[str]:
    statement = insert(connection, command).on_conflict_do_nothing()
    return ["written" if connection.execute(statement, a_command(one)).rowcount == 1 else "found" for one in items]


def _feed(cursor: int = 0) -> Feed:
    return Feed(command, select(command.c.tx, command.c.command_id).where(command.c.shard == 3), cursor)


async def _read(feed: Feed, database: Database) -> list[str]:
    return [row.command_id async for rows in feed.read(database) for row in rows]
