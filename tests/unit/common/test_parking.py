"""The embedded dead-letter queue, floods of hints, and the operator's command on a standalone's folder."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from swarming_client.main import main
from swarming_common.bus import parked_file
from swarming_common.bus.in_process import InProcessBus
from swarming_common.bus.parked import Origin, Parked, ParkingUnusable, park_note
from swarming_common.bus.parked_file import FILE_NAME, ParkedFile
from swarming_common.bus.parked_hints import MAX_AT_ONCE, HintParking
from swarming_common.bus.port import EventMessage, Undigestible
from swarming_common.hints.wire import Hint, UnreadableHint
from swarming_common.testing.contracts.bus import Worker, a_hint, events
from swarming_common.testing.contracts.parking import an_unknown_hint, an_upgrade
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS, Arrivals, soon


def a_note(number: int = 1, *, body: bytes | None = None, source: str = "stats") -> Parked:
    return park_note(
        origin=Origin.QUEUE,
        source=source,
        kind="task.exploded",
        reason="unknown",
        process="a test",
        replays=0,
        routing_key="task.exploded.s01.default",
        body=str(number).encode() if body is None else body,
        headers={"a": "b"},
    )


async def bodies(file: ParkedFile) -> list[bytes]:
    return [one.body for one in await file.parked()]


async def test_what_is_parked_outlives_the_process(tmp_path: Path):
    note = a_note()
    first = ParkedFile(tmp_path / FILE_NAME)
    first.put([note])
    first.close()

    assert await ParkedFile(tmp_path / FILE_NAME).parked() == [note]


async def test_a_full_file_forgets_the_oldest(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parked_file, "MAX_PARKED_MESSAGES", 3)
    file = ParkedFile()

    file.put([a_note(number) for number in range(4)])
    file.put([a_note(4)])

    assert await bodies(file) == [b"2", b"3", b"4"]


async def test_large_messages_push_out_more_than_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(parked_file, "MAX_PARKED_BYTES", 10)
    file = ParkedFile()

    file.put([a_note(number, body=b"%d" % number * 3) for number in range(4)])
    before = await bodies(file)
    file.put([a_note(body=b"x" * 8)])

    assert before == [b"111", b"222", b"333"]
    assert await bodies(file) == [b"x" * 8]


def test_a_file_that_is_none_says_so(tmp_path: Path):
    (tmp_path / FILE_NAME).write_bytes(b"no database " * 100)

    with pytest.raises(ParkingUnusable):
        ParkedFile(tmp_path / FILE_NAME)


async def test_what_an_operator_marked_while_nothing_ran_is_replayed_at_the_start(tmp_path: Path):
    before = InProcessBus(ParkedFile(tmp_path / FILE_NAME))
    await before.park("stats", [Undigestible(EventMessage("task.a", b"1"), "unknown")])
    await (await before.open_mailbox(Arrivals[Hint]())).listen("shard.1")
    before.send("shard.1", an_unknown_hint())
    await before.close()
    operator = ParkedFile(tmp_path / FILE_NAME)
    await operator.replay()

    worker, heard = Worker(), Arrivals[Hint]()
    with an_upgrade():
        after = InProcessBus(ParkedFile(tmp_path / FILE_NAME))
        await after.subscribe("stats", ["task.#"], worker)
        await (await after.open_mailbox(heard)).listen("shard.1")

        assert await worker.handled.wait_for(1) == [EventMessage("task.a", b"1", replays=1)]
        await heard.wait_for(1)
    async with asyncio.timeout(DEADLINE_SECONDS):
        while await operator.parked():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
    await after.close()


async def test_a_replay_waits_for_a_worker_and_survives_a_restart(tmp_path: Path):
    file = ParkedFile(tmp_path / FILE_NAME)
    bus = InProcessBus(file)
    await bus.park("stats", [Undigestible(EventMessage("task.a", b"1"), "unknown")])
    failing = Worker()
    failing.errors = [RuntimeError("broken")] * 100
    await bus.subscribe("stats", ["task.#"], failing)
    await file.replay()
    await failing.called.wait_for(1)
    await bus.close()

    heir = Worker()
    again = InProcessBus(ParkedFile(tmp_path / FILE_NAME))
    await again.subscribe("stats", ["task.#"], heir)

    assert [one.body for one in await heir.handled.wait_for(1)] == [b"1"]
    await again.close()


async def test_of_a_flood_of_hints_a_few_are_parked_and_all_others_are_read():
    file = ParkedFile()
    bus = InProcessBus(file)
    heard: Arrivals[Hint] = Arrivals()
    await (await bus.open_mailbox(heard)).listen("shard.1")
    unknown = an_unknown_hint()

    for number in range(3000):
        bus.send("shard.1", unknown if number % 3 else a_hint(number))

    assert len(await heard.wait_for(1000)) == 1000
    assert MAX_AT_ONCE <= len(await file.parked()) <= MAX_AT_ONCE + 20
    await bus.close()


def test_after_a_flood_hints_are_parked_again():
    kept: list[Parked] = []
    now = [0.0]
    parking = HintParking("a test", kept.append, now=lambda: now[0])
    for _ in range(MAX_AT_ONCE + 50):
        parking.park("shard.1", UnreadableHint("Strange", "unknown", b"[]"), 0)
    at_once = len(kept)

    now[0] += 5
    for _ in range(50):
        parking.park("shard.1", UnreadableHint("Strange", "unknown", b"[]"), 0)

    assert (at_once, len(kept)) == (MAX_AT_ONCE, MAX_AT_ONCE + 5)


async def test_a_handler_s_mistake_that_passes_parks_nothing(monkeypatch: pytest.MonkeyPatch):
    file = ParkedFile()
    bus = InProcessBus(file)
    worker = Worker()
    worker.errors = [RuntimeError("for a moment")] * 2
    await bus.subscribe("stats", ["task.#"], worker)

    await soon(bus.publish(events(0, 3)))

    assert await file.parked() == []
    await bus.close()


class Operator:
    """Runs `swarming admin`."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        code = main(["admin", *arguments, "--data", str(self.folder)])
        said = self._capsys.readouterr()
        return code, said.out, said.err

    def json(self, *arguments: str) -> Any:
        code, out, _ = self(*arguments)
        assert code == 0
        return json.loads(out)


@pytest.fixture
def operator(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Operator:
    monkeypatch.delenv("SWARMING_BUS_URL", raising=False)
    return Operator(tmp_path, capsys)


@pytest.fixture
def parked(operator: Operator) -> Sequence[Parked]:
    notes = [a_note(1), a_note(2, body=b"\xff\x00", source="a\x1b[31mb"), a_note(3)]
    file = ParkedFile(operator.folder / FILE_NAME)
    file.put(notes)
    file.close()
    return notes


def test_the_list_has_a_line_for_each_and_commands_no_terminal(operator: Operator, parked: Sequence[Parked]):
    code, out, _ = operator("parked")

    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [one.id for one in parked]
    assert "queue stats  task.exploded  1 bytes  1 try  unknown" in out.splitlines()[0]
    assert "\x1b" not in out


def test_the_list_in_json_has_everything_but_bodies(operator: Operator, parked: Sequence[Parked]):
    first, *_ = operator.json("parked", "--json", "--limit", "1")

    assert first == {
        "id": parked[0].id,
        "parked_at": parked[0].parked_at.isoformat(),
        "origin": "queue",
        "source": "stats",
        "kind": "task.exploded",
        "reason": "unknown",
        "process": "a test",
        "tries": 1,
        "routing_key": "task.exploded.s01.default",
        "headers": {"a": "b"},
        "size": 1,
    }


def test_a_message_is_shown_with_its_body(operator: Operator, parked: Sequence[Parked]):
    assert operator.json("parked", "show", parked[0].id)["body"] == "1"
    assert operator.json("parked", "show", parked[1].id)["body_base64"] == "/wA="


def test_the_folder_may_be_named_before_the_id_and_before_show(
    operator: Operator, parked: Sequence[Parked], capsys: pytest.CaptureFixture[str]
):
    data = ["--data", str(operator.folder)]

    between = main(["admin", "parked", "show", *data, parked[0].id]), capsys.readouterr().out
    before = main(["admin", "parked", *data, "show", parked[0].id]), capsys.readouterr().out

    assert between == before
    assert (between[0], json.loads(between[1])["body"]) == (0, "1")


def test_dropping_and_replaying_say_what_became_of_each(operator: Operator, parked: Sequence[Parked]):
    one, two, three = (note.id for note in parked)

    assert operator("drop", one)[:2] == (0, "1 dropped\n")
    code, out, err = operator("replay", one, two)
    assert (code, out) == (1, "1 to be replayed\n")
    assert f"{one} is not parked" in err
    assert operator("drop", "--all")[:2] == (0, "2 dropped\n")
    assert operator("parked")[1:] == ("", "Nothing is parked.\n")
    assert operator("replay", "--all")[:2] == (0, "0 to be replayed\n")
    assert three not in operator("parked")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["replay"], 2, "give the ids of messages, or --all"),
        (["drop", "x", "--all"], 2, "give the ids of messages, or --all"),
        (["parked", "hide", "x"], 2, "[show ID]"),
        (["parked", "show", "x"], 1, "x is not parked"),
        (["drop", "x"], 1, "x is not parked"),
        (["parked", "--limit", "0"], 2, "expected a number from 1 on"),
    ],
)
def test_a_wrong_use_says_what_is_right(
    operator: Operator, parked: Sequence[Parked], arguments: list[str], code: int, complaint: str
):
    got, _, said = operator(*arguments)

    assert got == code
    assert complaint in said


def test_a_folder_without_a_standalone_says_so(operator: Operator):
    code, _, err = operator("parked")

    assert code == 1
    assert "no folder of a `swarming standalone`" in err


def test_without_a_bus_it_says_what_to_give(operator: Operator, capsys: pytest.CaptureFixture[str]):
    assert main(["admin", "parked"]) == 2

    assert "SWARMING_BUS_URL" in capsys.readouterr().err


def test_a_broker_that_is_away_is_named_with_the_way_out(operator: Operator, capsys: pytest.CaptureFixture[str]):
    assert main(["admin", "parked", "--bus-url", "amqp://127.0.0.1:1/"]) == 1

    assert "give --data and its folder" in capsys.readouterr().err
