"""Following a task, on servers that hold their answers and on those that do not."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from swarming_client.errors import WaitTimeout
from swarming_client.follow import Waiting, follow_output, follow_result
from swarming_client.messages import TaskOutput, TaskResult

TASK = "7c2236638dbfed10"


class FakeTime:
    """A clock that only moves when somebody sleeps or a server holds an answer."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, secs: float) -> None:
        self.slept.append(secs)
        self.now += secs

    def waiting(self, **options: float) -> Waiting:
        return Waiting(sleep=self.sleep, monotonic=lambda: self.now, **options)


class FakeServer:
    """Serves a growing stream of bytes; a step of None is a question without news."""

    def __init__(self, time: FakeTime, steps: Iterable[bytes | None], holds: bool) -> None:
        self.time, self.steps, self.holds = time, list(steps), holds
        self.stream = b""
        self.offsets: list[int] = []
        self.held: list[float | None] = []

    def stdout(self, task_id: str, *, offset: int = 0, length: int = 0, wait_secs: float | None = None) -> TaskOutput:
        self.offsets.append(offset)
        step = self._step(wait_secs)
        self.stream += step or b""
        json = {"output": self.stream[offset:].decode(errors="replace"), "state": self._state()}
        return TaskOutput.from_json(json | ({"next_offset": str(len(self.stream))} if self.holds else {}))

    def result(self, task_id: str, *, wait_secs: float | None = None) -> TaskResult:
        self._step(wait_secs)
        return TaskResult.from_json({"task_id": task_id, "state": self._state()})

    def _step(self, wait_secs: float | None) -> bytes | None:
        self.held.append(wait_secs)
        step = self.steps.pop(0) if self.steps else b""
        if step is None and self.holds:
            self.time.now += wait_secs or 0
        return step

    def _state(self) -> str:
        return "RUNNING" if self.steps else "COMPLETED"


def followed(server: FakeServer, waiting: Waiting) -> str:
    return "".join(part.text for part in follow_output(server, TASK, waiting))


def test_a_server_that_holds_its_answers_is_asked_again_at_once():
    time = FakeTime()
    server = FakeServer(time, [b"one\n", None, b"two\n", b"three\n"], holds=True)

    text = followed(server, time.waiting())

    assert text == "one\ntwo\nthree\n"
    assert time.slept == []
    assert server.offsets == [0, 4, 4, 8, 14]
    assert set(server.held) == {20.0}


def test_the_next_offset_is_the_servers_even_when_bytes_were_replaced():
    time = FakeTime()
    server = FakeServer(time, [b"a\xff\xfeb", b"c"], holds=True)

    text = followed(server, time.waiting())

    assert text == "a\ufffd\ufffdbc"
    assert server.offsets == [0, 4, 5]


def test_a_server_that_does_not_hold_its_answers_is_asked_more_and_more_seldom():
    time = FakeTime()
    server = FakeServer(time, [*[None] * 9, b"late", None, b"end"], holds=False)

    text = followed(server, time.waiting())

    assert text == "lateend"
    assert time.slept[:3] == [1, 1.5, 2.25]
    assert time.slept[8] == 15
    assert time.slept[9] == 1, "news makes it curious again"


def test_without_the_servers_offset_characters_are_counted_in_their_bytes():
    time = FakeTime()
    server = FakeServer(time, ["grün\n".encode(), b"blau\n"], holds=False)

    text = followed(server, time.waiting())

    assert text == "grün\nblau\n"
    assert server.offsets == [0, 6, 11]


def test_without_the_servers_offset_a_character_cut_in_two_is_shown_once_and_whole():
    time = FakeTime()
    euro = "€".encode()
    server = FakeServer(time, [b"5 " + euro[:2], euro[2:] + b"!", b"\n"], holds=False)

    assert followed(server, time.waiting()) == "5 €!\n"


def test_without_the_servers_offset_broken_bytes_neither_lose_nor_double_what_follows():
    time = FakeTime()
    server = FakeServer(time, [b"a\xffb", b"c\xe2", b"\xff", b"d\n", b"end\xff"], holds=False)

    assert followed(server, time.waiting()) == server.stream.decode(errors="replace")


def test_a_server_that_gives_a_held_answer_early_is_not_asked_in_a_storm():
    time = FakeTime()
    server = FakeServer(time, [b"", b"", b"x"], holds=True)

    followed(server, time.waiting())

    assert time.slept == [1, 1.5]


def test_following_a_result_ends_with_a_final_state():
    time = FakeTime()
    server = FakeServer(time, [None, None, b"", b""], holds=True)

    states = [result.state for result in follow_result(server, TASK, time.waiting())]

    assert states == ["RUNNING", "RUNNING", "RUNNING", "COMPLETED"]


def test_waiting_ends_with_an_error_when_the_time_is_over():
    time = FakeTime()
    server = FakeServer(time, [None] * 10, holds=True)

    with pytest.raises(WaitTimeout, match="RUNNING"):
        followed(server, time.waiting(timeout_secs=30))

    assert server.held == [20.0, 10.0]


def test_a_time_of_0_asks_once_and_does_not_let_the_server_hold_the_answer():
    time = FakeTime()
    server = FakeServer(time, [None] * 10, holds=True)

    with pytest.raises(WaitTimeout):
        followed(server, time.waiting(timeout_secs=-1))

    assert server.held == [0.0]
