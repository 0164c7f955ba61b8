"""`task/{id}/why` on rows as the other services write them, with and without a scheduler that answers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from swarming_common.database.health import DatabaseHealth
from swarming_common.hints import addresses
from swarming_common.hints.frontend import WhyAnswered
from swarming_common.hints.scheduler import WhyAsked
from swarming_common.hints.wire import Hint
from swarming_common.model.shards import DEFAULT_SHARD_COUNT, shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import parse_task_id
from swarming_common.pools.port import FixedPools, Order, PoolSettings
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS
from swarming_frontend.explanation.situation import BotStatus, Explanation, Word
from swarming_frontend.pages import routes
from swarming_frontend.replies import Replies
from swarming_frontend.store.fleet import read_fleet
from swarming_frontend.usecases.why import AskWhy, WhyPending
from tests.unit.frontend.builders import a_bot, a_new_task, a_result, a_run, a_running_task

SHARD = shard_of_pool("default")


class Shard:
    """Answers every question at once with `facts`."""

    def __init__(self, frontend) -> None:
        self.frontend = frontend
        self.facts: dict[str, Any] = {"is_waiting": True, "rank": 1, "queue_length": 1}
        self.asked: list[WhyAsked] = []

    def read(self, hint: Hint) -> None:
        if isinstance(hint, WhyAsked):
            self.asked.append(hint)
            answer = WhyAnswered(question_id=hint.question_id, **self.facts)
            for _ in range(2):  # every hint may come twice
                self.frontend.bus.send(addresses.frontend(hint.reply_to), answer)


@pytest.fixture
async def shard(frontend, monkeypatch) -> AsyncIterator[Shard]:
    monkeypatch.setattr(routes, "WHY_WORD_SECONDS", DEADLINE_SECONDS)
    scripted = Shard(frontend)
    mailbox = await frontend.bus.open_mailbox(scripted.read)
    await mailbox.listen(addresses.shard(SHARD))
    yield scripted
    await mailbox.close()


async def submit(frontend, *, dimensions: dict[str, str] | None = None, **fields) -> str:
    asked = [{"key": key, "value": value} for key, value in {"pool": "default", **(dimensions or {})}.items()]
    reply = await frontend.post("tasks/new", a_new_task(properties={"dimensions": asked}, **fields))
    task_id: str = reply.json()["task_id"]
    return task_id


async def take_in(frontend, task_id: str, **columns) -> None:
    await a_result(frontend.database, task_id, state=TaskState.PENDING, **{"shard": SHARD, **columns})


async def why(frontend, task_id: str) -> dict[str, Any]:
    reply = await frontend.get(f"task/{task_id}/why")
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def without_scheduler(frontend, task_id: str, pools: FixedPools | None = None) -> Explanation:
    explain = WhyPending(
        database=frontend.database,
        bus=frontend.bus,
        replies=Replies("a frontend that nobody answers"),
        death_timeout_secs=600,
        pools=pools or FixedPools(),
        shard_count=DEFAULT_SHARD_COUNT,
        health=DatabaseHealth(frontend.database, frontend.ports.clock),
    )
    return await explain(AskWhy(task_id=parse_task_id(task_id), word_seconds=0.01), frontend.ports.clock.now())


async def test_a_pending_task_is_explained_in_words_and_data(frontend, shard):
    task_id = await submit(frontend, dimensions={"os": "Linux"})
    ahead = await submit(frontend, dimensions={"os": "Linux"})
    running = await submit(frontend)
    await a_bot(frontend.database, "bot1")
    await a_running_task(frontend.database, running)
    shard.facts |= {"rank": 2, "queue_length": 3, "ahead_by_priority": 1, "waiting_bots": 4}
    shard.facts["next_up"] = (parse_task_id(ahead),)

    answer = await why(frontend, task_id)

    assert answer["task_id"] == task_id
    assert answer["state"] == "PENDING"
    assert answer["summary"].startswith("The only bot that can run it, bot1, is busy; it is 2nd of 3 in its queue.")
    assert answer["source"] == "scheduler"
    assert (answer["rank"], answer["queue_length"], answer["waiting_bots"]) == ("2", "3", "4")
    assert answer["ahead"] == {"by_priority": "1", "by_age": "0", "in_other_queues": "0", "next_up": [ahead]}
    assert answer["dimensions"] == [{"key": "os", "value": "Linux"}, {"key": "pool", "value": "default"}]
    assert answer["bots"] == {"idle": "0", "busy": "1", "maintenance": "0", "quarantined": "0", "dead": "0"}
    assert answer["example_bots"] == {"busy": ["bot1"]}
    assert answer["expected_start"] == {
        "text": "unknown",
        "basis": "no run has ended on the bots that can run it in the last hour",
    }
    assert {"all_busy", "bots_busy", "queue", "expires"} == {one["kind"] for one in answer["reasons"]}
    assert {"now", "expiration_ts", "current_task_slice"} <= answer.keys()
    [asked] = shard.asked
    assert asked.task_id == parse_task_id(task_id)


async def test_near_misses_are_told_with_what_bots_have_instead(frontend, shard):
    task_id = await submit(frontend, dimensions={"os": "Windows"})
    for number in range(3):
        await a_bot(frontend.database, f"bot{number}")

    answer = await why(frontend, task_id)

    assert answer["nearest_misses"] == [
        {
            "count": "3",
            "missing": [{"key": "os", "value": "Windows"}],
            "instead": [{"key": "os", "values": [["Linux", "Debian"]]}],
            "examples": ["bot0", "bot1", "bot2"],
            "text": "3 bots match all but os=Windows; they have os=Linux|Debian",
        }
    ]
    assert "3 bots match all but os=Windows" in answer["summary"]


async def test_the_current_slice_and_the_later_ones_have_their_bots(frontend, shard):
    one = a_new_task()["task_slices"][0]

    def a_slice(os: str) -> dict[str, object]:
        asked = [{"key": "pool", "value": "default"}, {"key": "os", "value": os}]
        return one | {"properties": one["properties"] | {"dimensions": asked}}

    slices = [a_slice("Plan9"), a_slice("Windows"), a_slice("Linux")]
    task_id = await submit(frontend, task_slices=slices)
    await take_in(frontend, task_id)
    await a_bot(frontend.database)
    shard.facts |= {"current_slice": 1, "slice_expiration_ts": datetime.now(UTC) + timedelta(seconds=42)}

    answer = await why(frontend, task_id)

    assert answer["current_task_slice"] == "1"
    assert answer["bots"]["idle"] == "0"
    [later] = answer["later_slices"]
    assert (later["task_slice"], later["bots"]["idle"]) == ("2", "1")
    assert "In 40 s its next slice begins, which 1 bot can run." in answer["summary"]


@pytest.mark.parametrize(
    ("columns", "status"),
    [
        ({}, "idle"),
        ({"quarantined": "no disk"}, "quarantined"),
        ({"maintenance": "new disk"}, "maintenance"),
        ({"last_seen_ts": datetime(2026, 1, 1, tzinfo=UTC)}, "dead"),
        ({"last_seen_ts": datetime(2026, 1, 1, tzinfo=UTC), "quarantined": "no disk"}, "dead"),
        ({"quarantined": "no disk", "maintenance": "new disk"}, "quarantined"),
    ],
)
async def test_a_bot_counts_once_under_the_gravest_that_is_wrong_with_it(frontend, shard, columns, status):
    task_id = await submit(frontend)
    await a_bot(frontend.database, **columns)

    answer = await why(frontend, task_id)

    assert {kind for kind, count in answer["bots"].items() if count != "0"} == {status}


async def test_a_start_is_foretold_from_what_the_bots_did_lately(frontend, shard):
    task_id = await submit(frontend)
    await a_bot(frontend.database)
    now = datetime.now(UTC)
    for number in range(12):
        earlier = await submit(frontend)
        begun = now - timedelta(minutes=2 * number + 2)
        await a_run(
            frontend.database,
            earlier,
            state=TaskState.COMPLETED,
            started_ts=begun,
            completed_ts=begun + timedelta(minutes=2),
        )
    await a_run(frontend.database, await submit(frontend), started_ts=now)
    shard.facts |= {"rank": 10, "queue_length": 10}

    expected = (await why(frontend, task_id))["expected_start"]

    earliest, latest = (
        datetime.fromisoformat(expected[key]).replace(tzinfo=UTC) for key in ("earliest_ts", "latest_ts")
    )
    assert now + timedelta(minutes=5) < earliest < now + timedelta(minutes=20) < latest < now + timedelta(minutes=60)
    assert "1 bot can run it, 9 tasks are ahead" in expected["basis"]


# --- without the scheduler's word -----------------------------------------------------------------------------------


async def test_without_a_word_the_place_is_counted_in_the_tables(frontend):
    urgent, other, older, task_id = [
        await submit(frontend, dimensions=asked) for asked in ({"os": "Linux"}, {}, {"os": "Linux"}, {"os": "Linux"})
    ]
    for number, one in enumerate((urgent, other, older, task_id)):
        await take_in(frontend, one, priority=50 if one == urgent else 100, current_slice=0, last_taskseq=number)
    await a_bot(frontend.database)

    explanation = await without_scheduler(frontend, task_id)

    assert explanation.situation is not None
    place = explanation.situation.place
    # the ids of one millisecond are in no order, so the older one may have the later id
    assert place.ahead_by_priority == 1
    assert place.next_up[0] == parse_task_id(urgent)
    assert place.rank in (2, 3)
    assert explanation.situation.others.ahead in (0, 1)
    assert explanation.situation.word is Word.SILENT
    assert explanation.summary.endswith("The scheduler did not answer: this is what the tables say.")


async def test_the_newest_go_first_in_a_pool_that_says_so(frontend):
    submitted = sorted([await submit(frontend) for _ in range(5)])
    for one in submitted:
        await take_in(frontend, one)
    pools = FixedPools(named={"default": PoolSettings(order=Order.LIFO)})

    oldest = await without_scheduler(frontend, submitted[0], pools)

    assert oldest.situation is not None
    assert oldest.situation.place.rank == 5
    assert oldest.situation.place.next_up[0] == parse_task_id(submitted[4])
    assert "newest_first" in {one.kind for one in oldest.reasons}


async def test_a_task_that_the_scheduler_does_not_know_yet_is_told_as_that(frontend, shard):
    task_id = await submit(frontend)
    shard.facts = {"is_waiting": False}

    answer = await why(frontend, task_id)

    assert answer["source"] == "tables"
    assert "not_taken_in" in {one["kind"] for one in answer["reasons"]}


async def test_a_lost_bot_gets_the_task_no_more(frontend):
    task_id = await submit(frontend)
    await take_in(frontend, task_id, run_number=1)
    await a_run(frontend.database, task_id, state=TaskState.BOT_DIED, bot_id="bot1", reason="the bot was silent")
    await a_bot(frontend.database, "bot1")

    explanation = await without_scheduler(frontend, task_id)

    assert explanation.summary.startswith("The only bot that matches, bot1, was lost while it ran the task")
    assert "retry" in {one.kind for one in explanation.reasons}


async def test_a_task_for_a_bot_that_is_not_there_is_told_that(frontend, shard):
    await a_bot(frontend.database)
    task_id = await submit(frontend, dimensions={"id": "bot9"})

    answer = await why(frontend, task_id)

    assert answer["summary"].startswith("No live bot has the id bot9.")
    assert "nearest_misses" not in answer


async def test_what_is_more_urgent_in_another_pool_of_our_bots_stands_before_a_task(frontend, shard):
    await a_bot(frontend.database, dimensions={"id": ["bot1"], "pool": ["default", "nightly"]})
    task_id = await submit(frontend, priority=100)
    for priority in (90, 110):
        other = await submit(frontend, dimensions={"pool": "nightly"}, priority=priority)
        await take_in(frontend, other, shard=shard_of_pool("nightly"), priority=priority, pool="nightly")

    answer = await why(frontend, task_id)

    assert answer["ahead"]["in_other_queues"] == "1"


async def test_a_run_that_was_revoked_does_not_keep_its_bot_busy(frontend):
    task_id = await submit(frontend)
    await a_run(frontend.database, task_id, bot_id="bot1", revoked=True)
    await a_bot(frontend.database, "bot1")

    now = datetime.now(UTC)
    fleet = await frontend.database.read(lambda c: read_fleet(c, now - timedelta(seconds=600), now))

    assert [one.status for one in fleet] == [BotStatus.IDLE]


# --- tasks that are not pending, or not there -----------------------------------------------------------------------


async def test_a_running_task_is_told_as_that(frontend, shard):
    task_id = await submit(frontend)
    await a_running_task(frontend.database, task_id)

    answer = await why(frontend, f"{task_id[:-1]}1")  # a run's id will do

    assert (answer["task_id"], answer["state"]) == (task_id, "RUNNING")
    assert answer["summary"].startswith("It is not pending: it has been running on bot1 for ")
    assert "rank" not in answer
    assert shard.asked == []


@pytest.mark.parametrize("state", [state for state in TaskState if state.is_final])
async def test_a_task_that_has_ended_says_how(frontend, state):
    task_id = await submit(frontend)
    ended = datetime(2026, 11, 23, 17, 8, 19, tzinfo=UTC)
    await a_result(frontend.database, task_id, state=state, bot_id="bot1", exit_code=3, completed_ts=ended)

    answer = await why(frontend, task_id)

    assert answer["state"] == state.name
    assert answer["summary"].startswith("It is not pending: ")
    assert answer["summary"].endswith(", at 2026-11-23 17:08:19 UTC.")
    assert [one["kind"] for one in answer["reasons"]] == ["ended"]


async def test_a_task_that_starts_while_it_is_asked_about_is_told_as_running(frontend):
    task_id = await submit(frontend)
    started: list[asyncio.Task[None]] = []

    async def start_then_answer(hint: WhyAsked) -> None:
        await a_running_task(frontend.database, task_id)
        answer = WhyAnswered(question_id=hint.question_id, is_waiting=False)
        frontend.bus.send(addresses.frontend(hint.reply_to), answer)

    def read(hint: Hint) -> None:
        if isinstance(hint, WhyAsked):
            started.append(asyncio.create_task(start_then_answer(hint)))

    mailbox = await frontend.bus.open_mailbox(read)
    await mailbox.listen(addresses.shard(SHARD))

    answer = await why(frontend, task_id)

    assert answer["state"] == "RUNNING"
    await mailbox.close()


@pytest.mark.parametrize(
    ("task_id", "status", "message"),
    [
        ("7c2236638dbfed10", 404, "task_id: there is no such task"),
        ("nonsense", 400, "task_id: expected the id of a task or a run"),
    ],
)
async def test_an_id_that_is_none(frontend, task_id, status, message):
    reply = await frontend.get(f"task/{task_id}/why")

    assert reply.status_code == status
    assert reply.json()["error"]["message"].startswith(message)


async def test_the_old_address_serves_too(frontend, shard):
    task_id = await submit(frontend)

    reply = await frontend.client.get(f"/_ah/api/swarming/v1/task/{task_id}/why")

    assert reply.json()["state"] == "PENDING"


async def test_the_page_of_a_pending_task_says_why(frontend, shard):
    task_id = await submit(frontend, dimensions={"os": "<b>"})

    page = await frontend.client.get(f"/user/task/{task_id}", headers={"accept": "text/html"})

    assert "No bot has all that it asks for (os=&lt;b&gt;, pool=default)" in page.text
    assert f'href="/api/swarming/v1/task/{task_id}/why"' in page.text


async def test_the_page_of_a_running_task_does_not(frontend, shard):
    task_id = await submit(frontend)
    await a_running_task(frontend.database, task_id)

    page = await frontend.client.get(f"/user/task/{task_id}", headers={"accept": "text/html"})

    assert 'id="why"' not in page.text
