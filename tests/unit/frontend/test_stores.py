"""The frontend's SQL, on SQLite always and on PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from swarming_common.database.group_commit import GroupCommit, HotGroupCommit
from swarming_common.database.port import Database
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, format_task_id, new_task_id
from swarming_frontend.api.messages import NewTaskRequest
from swarming_frontend.api.new_task import translate
from swarming_frontend.identity import ANONYMOUS
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.store.bots import BotFilter, count_bots, list_bots
from swarming_frontend.store.output import read_output
from swarming_frontend.store.requests import (
    IdTaken,
    NewRequest,
    Repeated,
    Undecided,
    WriteOutcome,
    Written,
    hot_requests,
    stored_request,
)
from swarming_frontend.store.standings import standing_of_task, state_and_run
from swarming_frontend.store.task_lists import StateFilter, TaskFilter, TaskSort, count_tasks, list_tasks
from tests.databases import OnPostgres, OnSqlite
from tests.unit.frontend.builders import NOW, a_bot, a_new_task, a_result, a_run, a_running_task, some_output

TASK = NewTaskRequest.model_validate(a_new_task(tags=["a:1", "b:2"]))
REQUEST = translate(TASK, ANONYMOUS, FrontendSettings().limits).request.model_copy(update={"tags": ("a:1", "b:2")})


def an_item(random: int = 1, *, nonce: int = 1, uuid: str | None = None, caller: str = "me") -> NewRequest:
    return NewRequest(
        task_id=new_task_id(NOW, random),
        nonce=nonce,
        shard=0,
        created_ts=NOW + timedelta(microseconds=1),
        request=REQUEST,
        parent_task_id=None,
        secret_bytes=b"\0secret",
        caller=caller,
        request_uuid=uuid,
    )


async def written(database: Database, *items: NewRequest) -> list[WriteOutcome]:
    outcomes = await database.write_hot(hot_requests(items))
    return list(outcomes)


def a_commit(database: Database) -> GroupCommit[NewRequest, WriteOutcome]:
    return HotGroupCommit(database, hot_requests, name="test")


class Stores:
    """What every database must do. Subclasses supply the `database` fixture."""

    async def test_an_item_that_is_written_again_is_written(self, database):
        item = an_item(uuid="u")
        await written(database, item)

        assert await written(database, item) == [Written()]

    async def test_an_id_of_another_is_taken(self, database):
        await written(database, an_item(nonce=1))

        assert await written(database, an_item(nonce=2, uuid="u")) == [IdTaken()]
        assert await written(database, an_item(random=2, uuid="u")) == [Written()]

    async def test_within_a_batch_the_first_of_a_uuid_wins(self, database):
        first, second = an_item(1, uuid="u"), an_item(2, uuid="u")
        other = an_item(3, uuid="u", caller="somebody else")

        outcomes = await written(database, first, second, other)

        assert outcomes == [Written(), Repeated(first.task_id), Written()]

    async def test_a_uuid_is_each_callers_own(self, database):
        await written(database, an_item(1, uuid="u"))

        outcomes = await written(database, an_item(2, uuid="u"), an_item(3, uuid="u", caller="somebody else"))

        assert outcomes == [Repeated(an_item(1).task_id), Written()]

    async def test_two_of_one_id_in_a_batch_end_as_one_that_has_it_and_one_that_draws_again(self, database):
        commit = a_commit(database)
        ahead = asyncio.create_task(commit.submit(an_item(9)))  # the two others wait behind it, together

        outcomes = await asyncio.gather(
            commit.submit(an_item(1, nonce=1, uuid="u")), commit.submit(an_item(1, nonce=2, uuid="v"))
        )

        await ahead
        assert outcomes == [Written(), IdTaken()]
        assert await written(database, an_item(2, uuid="v")) == [Written()]

    async def test_of_ten_frontends_that_race_for_a_uuid_one_wins(self, database):
        items = [an_item(random, nonce=random, uuid="u") for random in range(10)]

        async def submit(item: NewRequest) -> WriteOutcome:
            while True:
                (outcome,) = await written(database, item)
                if outcome != Undecided():
                    return outcome

        outcomes = await asyncio.gather(*(submit(item) for item in items))

        (winner,) = [item for item, one in zip(items, outcomes, strict=True) if one == Written()]
        assert outcomes.count(Repeated(winner.task_id)) == 9

    async def test_a_request_is_read_as_it_was_written(self, database):
        item = an_item()
        await written(database, item)

        stored = await database.read(lambda c: stored_request(c, item.task_id))

        assert stored is not None
        assert (stored.request, stored.created_ts, stored.shard) == (REQUEST, item.created_ts, 0)

    async def test_tasks_are_found_by_tags_state_and_moment(self, database):
        items = [an_item(random) for random in range(3)]
        await written(database, *items)
        for number, item in enumerate(items[:2]):
            ended: dict[str, Any] = {"completed_ts": NOW + timedelta(seconds=number), "failure": number == 1}
            await a_result(database, format_task_id(item.task_id), state=TaskState.COMPLETED, **ended)

        async def found(wanted: TaskFilter) -> list[int]:
            listed, _ = await database.read(lambda c: list_tasks(c, wanted, None, 10))
            assert await database.read(lambda c: count_tasks(c, wanted)) == len(listed)
            return [items.index(next(i for i in items if i.task_id == one.task_id)) for one in listed]

        assert await found(TaskFilter()) == [2, 1, 0]
        assert await found(TaskFilter(tags=("a:0|1", "b:2"))) == [2, 1, 0]
        assert await found(TaskFilter(tags=("a:2",))) == []
        assert await found(TaskFilter(state=StateFilter.PENDING)) == [2]
        assert await found(TaskFilter(state=StateFilter.COMPLETED_FAILURE)) == [1]
        assert await found(TaskFilter(sort=TaskSort.COMPLETED_TS)) == [1, 0]
        assert await found(TaskFilter(sort=TaskSort.COMPLETED_TS, start=NOW + timedelta(seconds=1))) == [1]

    async def test_pages_in_another_order_are_complete(self, database):
        items = [an_item(random) for random in range(5)]
        await written(database, *items)
        for item in items:
            await a_result(database, format_task_id(item.task_id), state=TaskState.COMPLETED, completed_ts=NOW)
        wanted = TaskFilter(sort=TaskSort.COMPLETED_TS)

        seen, place = await database.read(lambda c: list_tasks(c, wanted, None, 2))
        while place is not None:
            after = place
            more, place = await database.read(lambda c, after=after: list_tasks(c, wanted, after, 2))
            seen += more

        assert [one.task_id for one in seen] == [one.task_id for one in reversed(items)]

    @pytest.mark.parametrize(("days", "is_new"), [(6.99, False), (7.01, True)])
    async def test_a_uuid_stands_for_its_task_for_seven_days(self, database, days, is_new):
        first, later = an_item(1, uuid="u"), an_item(2, uuid="u")
        moment = first.created_ts + timedelta(days=days)
        later, again = (replace(one, created_ts=moment) for one in (later, an_item(3, uuid="u")))
        await written(database, first)

        outcomes = [*await written(database, later), *await written(database, again)]

        if is_new:
            assert outcomes == [Written(), Repeated(later.task_id)]
            assert await written(database, later) == [Written()]
        else:
            assert outcomes == [Repeated(first.task_id), Repeated(first.task_id)]

    async def test_within_a_batch_the_first_wins_an_old_uuid(self, database):
        await written(database, an_item(1, uuid="u"))
        moment = NOW + timedelta(days=8)
        items = [replace(an_item(number, uuid="u"), created_ts=moment) for number in (2, 3)]

        outcomes = await written(database, *items)

        assert outcomes == [Written(), Repeated(items[0].task_id)]

    async def test_a_deduped_task_stands_with_the_run_whose_result_it_took(self, database):
        twin, item, plain = an_item(1), an_item(2), an_item(3)
        await written(database, twin, item, plain)
        twin_id, item_id = format_task_id(twin.task_id), format_task_id(item.task_id)
        done: dict[str, Any] = {"exit_code": 0, "duration": 2.5, "bot_id": "bot9"}
        await a_result(database, twin_id, state=TaskState.COMPLETED, run_number=1, **done)
        await a_run(database, twin_id, state=TaskState.COMPLETED, cost_usd=0.25, bot_version="v9", **done)
        await some_output(database, twin_id, b"as before")
        deduped: dict[str, Any] = {"deduped_task_id": twin.task_id, "deduped_run_number": 1, "cost_saved_usd": 0.25}
        await a_result(database, item_id, state=TaskState.COMPLETED, **done, **deduped)

        standing = await database.read(lambda c: standing_of_task(c, item.task_id))
        listed, _ = await database.read(lambda c: list_tasks(c, TaskFilter(state=StateFilter.DEDUPED), None, 10))
        successes = await database.read(lambda c: count_tasks(c, TaskFilter(state=StateFilter.COMPLETED_SUCCESS)))
        source = await database.read(lambda c: state_and_run(c, item.task_id))

        assert standing is not None
        assert (standing.run_number, standing.deduped_from) == (None, RunId(twin.task_id, 1))
        assert (standing.bot_version, standing.duration, standing.costs_usd) == ("v9", 2.5, ())
        assert standing.cost_saved_usd == 0.25
        assert [one.task_id for one in listed] == [item.task_id]
        assert successes == 2
        assert source == (TaskState.COMPLETED, RunId(twin.task_id, 1))

    async def test_a_task_that_waits_to_be_tried_again_stands_with_what_its_lost_runs_cost(self, database):
        item, given_back = an_item(1), an_item(2)
        await written(database, item, given_back)
        for one in (item, given_back):
            await a_result(database, format_task_id(one.task_id), state=TaskState.PENDING)
        for number, cost in ((1, 0.5), (2, None), (3, 0.25)):
            of_run: dict[str, Any] = {"cost_usd": cost, "state": TaskState.BOT_DIED, "exit_code": -1}
            await a_run(database, format_task_id(item.task_id), number=number, **of_run)
        await a_run(database, format_task_id(given_back.task_id), state=TaskState.PENDING)

        standing = await database.read(lambda c: standing_of_task(c, item.task_id))
        listed, _ = await database.read(lambda c: list_tasks(c, TaskFilter(), None, 10))
        source = await database.read(lambda c: state_and_run(c, item.task_id))

        assert standing is not None
        assert (standing.state, standing.run_number, standing.costs_usd) == (TaskState.PENDING, 3, (0.5, 0.25))
        assert (standing.bot_id, standing.bot_version, standing.exit_code) == (None, None, None)
        assert {one.task_id: one.run_number for one in listed} == {item.task_id: 3, given_back.task_id: None}
        assert standing in listed
        assert source == (TaskState.PENDING, None)

    async def test_a_running_task_stands_with_its_run(self, database):
        item = an_item()
        await written(database, item)
        await a_running_task(database, format_task_id(item.task_id))
        await some_output(database, format_task_id(item.task_id), b"\0\xff", start=2)

        standing = await database.read(lambda c: standing_of_task(c, item.task_id))
        output = await database.read(lambda c: read_output(c, item.task_id, 1, 1, 10))

        assert standing is not None
        assert (standing.state, standing.run_number, standing.bot_id) == (TaskState.RUNNING, 1, "bot1")
        assert standing.started_ts == NOW
        assert output == b"\0\0\xff"

    async def test_bots_are_found_by_dimensions_and_kind(self, database):
        item = an_item()
        await written(database, item)
        await a_running_task(database, format_task_id(item.task_id), bot_id="a")
        await a_bot(database, "a")
        await a_bot(database, "b", quarantined="x")

        async def found(**wanted: object) -> list[str]:
            filter_ = BotFilter(now=NOW, dead_before=NOW, **wanted)  # type: ignore[arg-type]
            return [one.bot_id for one in (await database.read(lambda c: list_bots(c, filter_, None, 10)))[0]]

        assert await found() == ["a", "b"]
        assert await found(dimensions=(("os", "Mac|Debian"), ("id", "b"))) == ["b"]
        assert await found(dimensions=(("os", "Mac"),)) == []
        assert await found(dimensions=(('o"s', "x"),)) == []
        assert await found(is_busy=True) == ["a"]
        assert await found(quarantined=False, is_dead=False) == ["a"]
        counts = await database.read(lambda c: count_bots(c, BotFilter(now=NOW, dead_before=NOW)))
        assert (counts.count, counts.busy, counts.quarantined, counts.dead) == (2, 1, 1, 0)


class TestSqliteStores(OnSqlite, Stores):
    pass


@pytest.mark.real("postgres")
class TestPostgresStores(OnPostgres, Stores):
    pass
