import asyncio
import base64
import time

import pytest
from sqlalchemy import Connection, func, select

from swarming_common.database.port import Database
from swarming_common.database.tables import submission, task_request
from swarming_common.errors import DataRejected, Unavailable
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import TaskSubmitted
from swarming_common.hints.wire import Hint
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.pools.port import FixedPools
from swarming_common.testing.contracts.waiting import soon
from swarming_frontend.admission import Admission
from swarming_frontend.api.messages import NewTaskRequest
from swarming_frontend.api.new_task import translate
from swarming_frontend.identity import ANONYMOUS
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.store.requests import Undecided
from swarming_frontend.usecases.submit import Submit, SubmitTask, Submitted
from tests.unit.frontend.builders import a_new_task, a_result

CAPTURED = {
    "name": "me@example.com/id=bot1_pool=default",
    "parent_task_id": "",
    "pool_task_template": "AUTO",
    "priority": 50,
    "realm": None,
    "request_uuid": "1b725d5d-7db4-4017-ac07-65ad1bfa943b",
    "resultdb": {"enable": False},
    "tags": ["a:b"],
    "user": "me@example.com",
    "task_slices": [
        {
            "expiration_secs": 300,
            "wait_for_capacity": False,
            "properties": {
                "caches": [],
                "cipd_input": None,
                "command": ["python3", "-u", "-c", "…"],
                "containment": {"containment_type": "NONE"},
                "dimensions": [{"key": "id", "value": "bot1"}, {"key": "pool", "value": "default"}],
                "env": [{"key": "FOO", "value": "bar"}],
                "env_prefixes": [],
                "execution_timeout_secs": 60,
                "grace_period_secs": 30,
                "idempotent": False,
                "inputs_ref": None,
                "io_timeout_secs": 60,
                "outputs": [],
                "relative_cwd": None,
                "secret_bytes": None,
            },
        }
    ],
}
"""As the client of 2021 sends it (client-api-v1.md section 5)."""


def count_requests(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(task_request)).scalar_one()


def a_command(**fields) -> SubmitTask:
    message = NewTaskRequest.model_validate(a_new_task(**fields))
    return translate(message, ANONYMOUS, FrontendSettings().limits)


def a_submit(frontend, **options) -> Submit:
    options = {"database": frontend.database} | options
    return Submit(
        bus=frontend.bus,
        shard_count=16,
        guarded_priority=20,
        admission=Admission(FixedPools(), 16),
        **options,
    )


async def test_what_the_client_of_2021_sends_is_accepted(frontend):
    reply = await frontend.client.post("/_ah/api/swarming/v1/tasks/new", json=CAPTURED)

    assert reply.status_code == 200
    answer = reply.json()
    assert answer["task_id"].endswith("10")
    assert answer["request"]["priority"] == "50"
    assert answer["request"]["authenticated"] == "anonymous:anonymous"
    assert answer["request"]["expiration_secs"] == "300"
    assert answer["request"]["properties"] == answer["request"]["task_slices"][0]["properties"]
    assert "realm" not in answer["request"]
    assert answer["request"]["tags"] == [
        "a:b",
        "authenticated:anonymous:anonymous",
        "id:bot1",
        "pool:default",
        "priority:50",
        "realm:none",
        "service_account:none",
        "swarming.pool.template:no_config",
        "user:me@example.com",
    ]
    assert answer["task_result"]["state"] == "PENDING"
    assert answer["task_result"]["task_id"] == answer["task_id"]


async def test_a_task_can_be_read_the_moment_its_submission_returns(frontend):
    submitted = (await frontend.post("tasks/new", a_new_task())).json()

    request = await frontend.get(f"task/{submitted['task_id']}/request")
    result = await frontend.get(f"task/{submitted['task_id']}/result")

    assert request.json() == submitted["request"]
    assert result.json() == submitted["task_result"]


async def test_integers_may_be_strings(frontend):
    task = a_new_task(priority="50", properties={"execution_timeout_secs": "60"})

    reply = await frontend.post("tasks/new", task)

    assert reply.json()["request"]["priority"] == "50"
    assert reply.json()["request"]["properties"]["execution_timeout_secs"] == "60"


async def test_the_old_form_with_properties_makes_one_slice(frontend):
    new = a_new_task()
    (one,) = new.pop("task_slices")
    task = new | one

    reply = await frontend.post("tasks/new", task)

    assert reply.status_code == 200
    assert len(reply.json()["request"]["task_slices"]) == 1
    assert reply.json()["request"]["expiration_secs"] == "300"


async def test_the_old_form_beside_slices_is_refused(frontend):
    reply = await frontend.post("tasks/new", a_new_task(expiration_secs=60))

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("task_slices: expected either")


async def test_in_the_old_form_fields_are_named_as_the_caller_wrote_them(frontend):
    new = a_new_task(properties={"command": []})
    (one,) = new.pop("task_slices")

    reply = await frontend.post("tasks/new", new | one)

    assert reply.json()["error"]["message"].startswith("properties.command: expected 1 to 128 arguments")


async def test_the_shard_of_the_pool_is_told(frontend):
    heard: asyncio.Queue[Hint] = asyncio.Queue()
    mailbox = await frontend.bus.open_mailbox(heard.put_nowait)
    await mailbox.listen(addresses.shard(shard_of_pool("linux")))

    submitted = (await frontend.post("tasks/new", a_new_task(pool="linux"))).json()

    hint = await soon(heard.get())
    assert isinstance(hint, TaskSubmitted)
    assert f"{hint.task_id:x}0" == submitted["task_id"]
    assert hint.request.pool == "linux"


async def test_a_repeated_request_uuid_returns_the_first_task(frontend):
    first = (await frontend.post("tasks/new", a_new_task(request_uuid="u"))).json()

    again = (await frontend.post("tasks/new", a_new_task(request_uuid="u", name="another"))).json()

    assert again["task_id"] == first["task_id"]
    assert again["request"] == first["request"]
    assert await frontend.database.read(count_requests) == 1


async def test_ten_submissions_that_race_with_the_same_uuid_make_one_task(frontend):
    replies = await asyncio.gather(
        *(frontend.post("tasks/new", a_new_task(request_uuid="u", name=f"n{n}")) for n in range(10))
    )

    assert {one.status_code for one in replies} == {200}
    assert len({one.json()["task_id"] for one in replies}) == 1
    assert len({one.json()["request"]["name"] for one in replies}) == 1
    assert await frontend.database.read(count_requests) == 1


async def test_submissions_without_a_uuid_are_different_tasks(frontend):
    replies = await asyncio.gather(*(frontend.post("tasks/new", a_new_task()) for _ in range(10)))

    assert len({one.json()["task_id"] for one in replies}) == 10


async def test_an_evaluated_request_is_shown_and_not_written(frontend):
    reply = await frontend.post("tasks/new", a_new_task(evaluate_only=True, priority=3))

    assert "task_id" not in reply.json()
    assert "task_id" not in reply.json()["request"]
    assert reply.json()["request"]["priority"] == "20"
    assert await frontend.database.read(count_requests) == 0


async def test_secret_bytes_are_kept_apart_and_never_shown(frontend):
    secret = base64.encodebytes(b"the secret").decode()  # with a line break at the end, as upstream's client writes it

    submitted = (await frontend.post("tasks/new", a_new_task(properties={"secret_bytes": secret}))).json()

    request = await frontend.get(f"task/{submitted['task_id']}/request")
    redacted = base64.b64encode(b"<REDACTED>").decode()
    assert request.json()["properties"]["secret_bytes"] == redacted
    assert secret not in request.text
    row = await frontend.database.read(lambda c: c.execute(select(task_request)).one())
    assert row.secret_bytes == b"the secret"
    assert secret not in str(row.request)


@pytest.mark.parametrize(("asked", "given"), [(0, "20"), (19, "20"), (20, "20"), (21, "21")])
async def test_guarded_priorities_are_raised(frontend, asked, given):
    reply = await frontend.post("tasks/new", a_new_task(priority=asked))

    assert reply.json()["request"]["priority"] == given
    assert f"priority:{given}" in reply.json()["request"]["tags"]


async def test_an_installation_may_guard_no_priority(start_frontend):
    async with start_frontend(guarded_priority=0) as frontend:
        one = await frontend.post("tasks/new", a_new_task(priority=1))
        zero = await frontend.post("tasks/new", a_new_task(priority=0))

    assert one.json()["request"]["priority"] == "1"
    assert zero.status_code == 400
    assert zero.json()["error"]["message"].startswith("priority: expected at least 1")


async def test_an_installation_may_lower_the_floors(start_frontend):
    quick = a_new_task(properties={"execution_timeout_secs": 1}, bot_ping_tolerance_secs=2)
    quick["task_slices"][0]["expiration_secs"] = 1

    async with start_frontend(min_timeout_secs=1, min_ping_tolerance_secs=1) as frontend:
        reply = await frontend.post("tasks/new", quick)

    assert reply.status_code == 200


async def test_a_child_takes_its_parents_user_and_is_one_better(frontend):
    parent = (await frontend.post("tasks/new", a_new_task(user="mum", priority=50))).json()["task_id"]
    await a_result(frontend.database, parent, state=TaskState.RUNNING, run_number=1, priority=50)
    run_id = parent[:-1] + "1"

    child = await frontend.post("tasks/new", a_new_task(user="kid", priority=100, parent_task_id=run_id))

    request = child.json()["request"]
    assert (request["user"], request["priority"]) == ("mum", "49")
    assert request["parent_task_id"] == run_id
    assert f"parent_task_id:{run_id}" in request["tags"]
    assert "user:mum" in request["tags"]


@pytest.mark.parametrize("parent", ["7c2236638dbfed11", "7c2236638dbfed10", "nobody"])
async def test_a_parent_that_does_not_exist_is_refused(frontend, parent):
    reply = await frontend.post("tasks/new", a_new_task(parent_task_id=parent))

    assert reply.status_code == 400
    assert reply.json()["error"]["message"].startswith("parent_task_id: expected a run")
    assert await frontend.database.read(count_requests) == 0


async def test_an_id_that_is_taken_is_drawn_again(frontend):
    drawn = [bytes([1] * 10), bytes([2] * 8) + bytes([1, 1]), bytes([3] * 10)]
    submit = a_submit(frontend, random=lambda _: drawn.pop(0))
    now = frontend.ports.clock.now()

    first = await submit(a_command(), now)
    second = await submit(a_command(request_uuid="u"), now)

    assert isinstance(first, Submitted)
    assert isinstance(second, Submitted)
    assert first.stored.task_id != second.stored.task_id
    assert drawn == []
    rows = await frontend.database.read(lambda c: c.execute(select(submission)).all())
    assert [row.task_id for row in rows] == [second.stored.task_id]


async def test_two_that_draw_the_same_id_at_once_both_get_one(frontend):
    drawn = [bytes([n] * 8) + bytes([1, 1]) for n in range(5)] + [bytes([n] * 10) for n in range(100, 110)]
    submit = a_submit(frontend, random=lambda _: drawn.pop(0))
    now = frontend.ports.clock.now()

    outcomes = await asyncio.gather(*(submit(a_command(request_uuid=f"u{n}"), now) for n in range(5)))

    assert len({one.stored.task_id for one in outcomes if isinstance(one, Submitted)}) == 5
    assert await frontend.database.read(count_requests) == 5


class BeingWritten:
    """A database in which somebody else is writing the same uuid, as only PostgreSQL has it, until so many seconds
    after the first try."""

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds
        self._begun: float | None = None

    async def read(self, read):
        return await self._database.read(read)

    async def write_hot(self, batch, *, durable=True):
        self._begun = self._begun or time.monotonic()
        if time.monotonic() - self._begun < self._seconds:
            return [Undecided()]
        return await self._database.write_hot(batch, durable=durable)


async def test_a_uuid_that_somebody_else_is_writing_is_waited_for(frontend):
    submit = a_submit(frontend, database=BeingWritten(frontend.database, seconds=0.2))

    submitted = await submit(a_command(request_uuid="u"), frontend.ports.clock.now())

    assert isinstance(submitted, Submitted)
    assert await frontend.database.read(count_requests) == 1


async def test_a_uuid_that_stays_undecided_is_named_as_the_reason(frontend, monkeypatch):
    monkeypatch.setattr("swarming_frontend.usecases.submit.UNDECIDED_PAUSE_SECONDS", 0)
    submit = a_submit(frontend, database=BeingWritten(frontend.database, seconds=float("inf")))

    with pytest.raises(Unavailable, match="request_uuid"):
        await submit(a_command(request_uuid="u"), frontend.ports.clock.now())


async def test_data_that_the_database_refuses_harms_nobody_else_in_the_commit(frontend):
    submit = a_submit(frontend)
    now = frontend.ports.clock.now()
    good = [a_command(name=f"n{n}", request_uuid=f"u{n}") for n in range(3)]
    guilty = a_command()
    half_a_character = guilty.request.model_copy(update={"user": "\ud800"})
    guilty = SubmitTask(
        request=half_a_character,
        user_tags=(),
        secret_bytes=None,
        request_uuid="guilty",
        evaluate_only=False,
        by="anonymous:anonymous",
    )

    outcomes = await asyncio.gather(
        *(submit(one, now) for one in [good[0], good[1], guilty, good[2]]), return_exceptions=True
    )

    assert [type(one) for one in outcomes] == [Submitted, Submitted, DataRejected, Submitted]
    assert await frontend.database.read(count_requests) == 3
    uuids = await frontend.database.read(lambda c: c.execute(select(submission.c.request_uuid)).scalars().all())
    assert sorted(uuids) == ["u0", "u1", "u2"]


PACKAGES = {"packages": [{"package_name": "p", "version": "v", "path": "a"}], "client_package": None, "server": None}
"""As the client of 2021 asks for packages."""


async def test_a_task_with_packages_has_the_installations_server_and_client_unless_it_names_its_own(start_frontend):
    own = {"server": "https://own", "client_package": {"package_name": "c", "version": "1"}}
    settings = {"cipd_server": "https://cipd.example.org", "cipd_client": "cipd/${platform}:git_revision:abc"}
    async with start_frontend(**settings) as frontend:
        replies = [
            await frontend.post("tasks/new", a_new_task(properties={"cipd_input": PACKAGES | given}))
            for given in ({}, own)
        ]

    inputs = [reply.json()["request"]["properties"]["cipd_input"] for reply in replies]
    assert inputs[0] == {
        "server": "https://cipd.example.org",
        "client_package": {"package_name": "cipd/${platform}", "version": "git_revision:abc"},
        "packages": PACKAGES["packages"],
    }
    assert inputs[1] == own | {"packages": PACKAGES["packages"]}


@pytest.mark.parametrize("field", ["server", "client_package"])
async def test_a_task_with_packages_is_refused_where_neither_it_nor_the_installation_says_from_where(
    start_frontend, field
):
    settings = {"cipd_server": "https://cipd.example.org", "cipd_client": "cipd:1"}
    del settings["cipd_server" if field == "server" else "cipd_client"]
    async with start_frontend(**settings) as frontend:
        reply = await frontend.post("tasks/new", a_new_task(properties={"cipd_input": PACKAGES}))

    assert reply.status_code == 400
    message = reply.json()["error"]["message"]
    assert message.startswith(f"task_slices[0].properties.cipd_input.{field}: expected ")
