"""What people do with bots: end them, keep them from work, forget them; and what a bot that always fails gets."""

import re
import signal
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from swarming_client import NewTask, Swarming
from swarming_client.errors import NotFound
from tests.cluster import Cluster, Deployment, Standalone
from tests.end_to_end.conftest import ALL_SERVERS
from tests.servers import Servers

pytestmark = pytest.mark.timeout(90)

SOON = 30.0
"""Seconds; what takes a moment on an idle machine must end within this on a busy one."""

FAILURES = 2
SETTINGS = {
    "SWARMING_BOT_FAILURES": str(FAILURES),
    "SWARMING_MAX_SLEEP_SECONDS": "0.5",
    "SWARMING_SEEN_SECONDS": "0.2",
    "SWARMING_BOT_DEATH_TIMEOUT_SECS": "600",
}


@pytest.fixture(scope="module", params=["embedded", pytest.param("distributed", marks=ALL_SERVERS)])
def swarming(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Swarming in both of its forms; the distributed one has two bot gateways, which share the polls."""
    folder = tmp_path_factory.mktemp("bots")
    if request.param == "embedded":
        with Standalone(folder, SETTINGS) as embedded:
            yield embedded
        return
    servers: Servers = request.getfixturevalue("servers")
    with (
        servers.postgres.database() as database_url,
        servers.rabbitmq.vhost() as bus_url,
        Cluster(
            folder,
            database_url=database_url,
            bus_url=bus_url,
            cache_url=servers.redis.empty_database(),
            botgateways=2,
            settings=SETTINGS,
        ) as distributed,
    ):
        yield distributed


CHAIN = 10
"""Tasks that wait for one bot."""
ATTEMPTS = 10


@pytest.fixture
def client(swarming: Deployment) -> Swarming:
    return swarming.client()


@pytest.fixture
def bot(swarming: Deployment, client: Swarming, request: pytest.FixtureRequest) -> Iterator[str]:
    """A bot of the test's own, in a pool of its own name."""
    name = request.node.originalname.replace("test_", "")[:60]
    program = swarming.start_bots(1, name=name, dimensions=[("pool", name)])
    wait_until(lambda: is_known(client, name))
    yield name
    if program.is_running:
        program.signal(signal.SIGTERM)
    program.wait_or_kill()


def test_a_bot_is_ended_with_a_reason(client: Swarming, bot: str, tmp_path):
    busy, go_on = a_task_that_waits(client, bot, tmp_path)

    first = client.terminate(bot, reason="its machine moves")
    again = client.terminate(bot, reason="another")
    go_on.touch()

    result = client.wait(first, timeout_secs=SOON)
    assert client.result(busy).state == "COMPLETED"
    assert (result.state, result.bot_id, result.exit_code) == ("COMPLETED", bot, 0)
    assert result.name == f"Terminate {bot}: its machine moves"
    assert {"swarming.terminate:1", "rbe:none", f"id:{bot}", "priority:0"} <= set(result.tags)
    assert again == first
    wait_until(lambda: client.bot(bot).is_dead)
    events = [one.event_type for one in client.bot_events(bot).items[::-1]]
    assert events[:4] == ["bot_connected", "request_task", "task_completed", "bot_terminate"]
    # The gateway writes the shutdown, a scheduler the end of the run: which is first is open.
    assert sorted(events[4:]) == ["bot_shutdown", "task_completed"]


def test_a_quarantined_bot_gets_no_tasks_until_it_is_released(swarming: Deployment, client: Swarming, bot: str):
    quarantined = swarming.run_command("bot-quarantine", bot, "--reason", "smells of smoke")
    waiting = client.new_task(a_task(bot)).task_id
    info = client.bot(bot)
    polls_a_few_times(client, bot)
    is_still_pending = client.result(waiting).state

    released = swarming.run_command("bot-quarantine", bot, "--end")

    assert (quarantined.returncode, released.returncode) == (0, 0), quarantined.stderr + released.stderr
    assert info.quarantined
    assert info.quarantine is not None
    assert (info.quarantine.reason, info.quarantine.by) == ("smells of smoke", "anonymous:anonymous")
    assert is_still_pending == "PENDING"
    assert client.wait(waiting, timeout_secs=SOON).state == "COMPLETED"
    assert {"bot_quarantined", "bot_unquarantined"} <= event_types(client, bot)


def test_a_task_that_runs_goes_on_when_its_bot_is_quarantined(client: Swarming, bot: str, tmp_path):
    running, go_on = a_task_that_waits(client, bot, tmp_path)

    client.quarantine(bot, "its last task")
    later = client.new_task(a_task(bot)).task_id
    go_on.touch()

    assert client.wait(running, timeout_secs=SOON).state == "COMPLETED"
    polls_a_few_times(client, bot)
    assert client.result(later).state == "PENDING"
    assert client.cancel(later).ok


def test_a_maintenance_ends_by_itself(client: Swarming, bot: str):
    until = datetime.now(UTC) + timedelta(seconds=4)

    info = client.maintain(bot, "a new disk", until=until)
    task = client.new_task(a_task(bot)).task_id
    result = client.wait(task, timeout_secs=SOON)

    assert info.maintenance == "a new disk"
    assert info.maintenance_by is not None
    assert info.maintenance_by.until is not None
    assert abs(info.maintenance_by.until - until) < timedelta(milliseconds=1)
    assert result.state == "COMPLETED"
    assert result.started is not None
    assert result.started >= until
    assert client.bot(bot).maintenance is None
    assert {"bot_maintenance", "bot_maintenance_ended"} <= event_types(client, bot)


def test_a_quarantined_bot_can_be_ended(client: Swarming, bot: str):
    client.quarantine(bot, "for good")

    assert client.wait(client.terminate(bot), timeout_secs=SOON).state == "COMPLETED"


def test_tasks_that_wait_for_one_bot_follow_one_another_without_a_poll(
    swarming: Deployment, client: Swarming, bot: str, tmp_path: Path
):
    before = given_without_a_poll(swarming)
    for attempt in range(1, ATTEMPTS + 1):  # on a busy machine runs are assigned too late for the answer to an update
        folder = tmp_path / str(attempt)
        folder.mkdir()
        first, go_on = a_task_that_waits(client, bot, folder)
        ids = [first, *(client.new_task(a_task(bot)).task_id for _ in range(CHAIN))]

        go_on.touch()
        results = [client.wait(task_id, timeout_secs=SOON) for task_id in ids]

        assert [result.state for result in results] == ["COMPLETED"] * len(ids)
        if given_without_a_poll(swarming) > before:
            break
    assert 0 < given_without_a_poll(swarming) - before <= CHAIN * attempt


def test_a_deleted_bot_that_lives_is_back_by_itself(client: Swarming, bot: str):
    client.quarantine(bot, "remembered")
    before = client.bot(bot)

    client.delete_bot(bot)

    wait_until(lambda: is_known(client, bot))
    after = client.bot(bot)
    assert after.first_seen is not None
    assert before.first_seen is not None
    assert after.first_seen > before.first_seen
    assert after.quarantined
    assert [one.event_type for one in client.bot_events(bot).items].count("bot_connected") == 2


def test_all_dead_bots_are_forgotten_at_once(swarming: Deployment, client: Swarming, bot: str):
    client.wait(client.terminate(bot), timeout_secs=SOON)
    wait_until(lambda: client.bot(bot).is_dead)

    reply = client.delete_dead_bots(dimensions=[("pool", bot)])

    assert reply.matched == 1
    wait_until(lambda: client.bot(bot).deleted)
    assert bot not in {one.bot_id for one in client.bots().items}
    assert client.bot_tasks(bot).items[0].state == "COMPLETED"
    with pytest.raises(NotFound):
        client.terminate(bot)


def test_a_bot_that_fails_again_and_again_is_quarantined_until_somebody_releases_it(swarming: Deployment):
    client = swarming.client()
    name = "always fails"
    with httpx.Client(base_url=f"{swarming.url}/swarming/api/v1/bot", trust_env=False, timeout=SOON) as http:
        bot = ScriptedBot(http, name)
        for _ in range(FAILURES):
            task = client.new_task(a_task(name)).task_id
            bot.fail(bot.poll_until("run")["manifest"]["task_id"])
            client.wait(task, timeout_secs=SOON)

        held_back = bot.poll()
        quarantined = client.bot(name)
        client.unquarantine(name)
        task = client.new_task(a_task(name)).task_id
        given = bot.poll_until("run")

    assert (held_back["cmd"], held_back["quarantined"]) == ("sleep", True)
    assert quarantined.quarantine is not None
    assert quarantined.quarantine.by == "swarming"
    assert f"{FAILURES} internal failures in a row" in quarantined.quarantine.reason
    assert quarantined.quarantine.until is not None
    assert given["manifest"]["task_id"][:-1] == task[:-1]
    assert not client.bot(name).quarantined


class ScriptedBot:
    """A bot that says what the test wants."""

    def __init__(self, http: httpx.Client, name: str) -> None:
        self._http = http
        self._word = {
            "dimensions": {"id": [name], "pool": [name]},
            "state": {"running_time": 1, "sleep_streak": 0},
            "version": "1",
        }
        self._name = name
        handshake = self._post("handshake", {**self._word, "session_id": "scripted/1"})
        self._word |= {"session": handshake["session"], "version": handshake["bot_version"]}
        self._numbers = iter(range(1000))

    def poll(self) -> dict[str, Any]:
        return self._post("poll", {**self._word, "request_uuid": f"uuid-{next(self._numbers)}"})

    def poll_until(self, cmd: str) -> dict[str, Any]:
        deadline = time.monotonic() + SOON
        while (answer := self.poll())["cmd"] != cmd:
            assert time.monotonic() < deadline, answer
            assert answer["cmd"] == "sleep", answer
            time.sleep(min(answer["duration"], 0.2))
        return answer

    def fail(self, run_id: str) -> None:
        about = {"id": self._name, "task_id": run_id, "session": self._word["session"]}
        self._post(f"task_update/{run_id}", {**about, "cost_usd": 0.0})
        self._post(f"task_error/{run_id}", {**about, "message": "the disk is gone", "client_error": None})

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        reply = self._http.post(path, json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()


def a_task(bot: str, script: str = "true") -> NewTask:
    return NewTask(
        command=["sh", "-c", script],
        dimensions=[("pool", bot), ("id", bot)],
        wait_for_capacity=True,
    )


def a_task_that_waits(client: Swarming, bot: str, folder: Path) -> tuple[str, Path]:
    """A task that runs on this bot until the file is there."""
    go_on = folder / "go_on"
    running = client.new_task(a_task(bot, f"while ! test -e {go_on}; do sleep 0.05; done")).task_id
    wait_until(lambda: client.result(running).state == "RUNNING")
    return running, go_on


def polls_a_few_times(client: Swarming, bot: str) -> None:
    """Return when the bot was heard of again and again: whatever it could be given, it would have by then."""
    for _ in range(3):
        before = client.bot(bot).last_seen
        wait_until(lambda before=before: client.bot(bot).last_seen != before)  # type: ignore[misc]


def event_types(client: Swarming, bot: str) -> set[str]:
    return {one.event_type for one in client.bot_events(bot).items}


def given_without_a_poll(swarming: Deployment) -> float:
    """How many runs were given so by all its gateways."""
    if isinstance(swarming, Cluster):
        urls = [f"http://127.0.0.1:{swarming.ports[name]}" for name in swarming.names("botgateway")]
    else:
        urls = [swarming.url]
    pages = [httpx.get(f"{url}/metrics", trust_env=False).raise_for_status().text for url in urls]
    found = [re.search(r"^swarming_botgateway_next_runs_total (\S+)$", page, re.MULTILINE) for page in pages]
    return sum(float(one[1]) for one in found if one is not None)


def is_known(client: Swarming, bot: str) -> bool:
    try:
        return not client.bot(bot).deleted
    except NotFound:
        return False


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SOON
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.05)
