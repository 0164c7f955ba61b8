import pytest
from hypothesis import HealthCheck, given, settings, strategies

from swarming_common.model.states import TaskState
from swarming_frontend.usecases.read_output import cut_character
from tests.unit.frontend.builders import a_new_task, a_result, a_run, a_running_task, some_output


@pytest.fixture
async def task_id(frontend) -> str:
    task_id = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]
    await a_running_task(frontend.database, task_id)
    return task_id


async def follow(frontend, task_id: str, **query) -> tuple[list[str], dict[str, str]]:
    """All answers until one brings nothing, and the last."""
    texts: list[str] = []
    offset = "0"
    while True:
        answer = (await frontend.get(f"task/{task_id}/stdout", offset=offset, wait_secs=0, **query)).json()
        if not answer["output"]:
            return texts, answer
        texts.append(answer["output"])
        offset = answer["next_offset"]


async def test_a_task_that_never_ran_has_no_output(frontend):
    task_id = (await frontend.post("tasks/new", a_new_task())).json()["task_id"]

    assert (await frontend.get(f"task/{task_id}/stdout")).json() == {"output": "", "state": "PENDING"}


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "hello world\n"),
        ({"offset": 6}, "world\n"),
        ({"offset": 4, "length": 4}, "o wo"),
        ({"length": 5}, "hello"),
        ({"offset": 12}, ""),
        ({"offset": 2**53}, ""),
    ],
)
async def test_a_part_is_read_across_chunks(frontend, task_id, query, text):
    await some_output(frontend.database, task_id, b"hello ")
    await some_output(frontend.database, task_id, b"wor", start=6)
    await some_output(frontend.database, task_id, b"ld\n", start=9)

    reply = await frontend.get(f"task/{task_id}/stdout", **query)

    assert reply.json() == {"output": text, "state": "RUNNING"}


@pytest.mark.parametrize(
    ("query", "text"),
    [({}, "\0\0ab\0\0\0c"), ({"offset": 3}, "b\0\0\0c"), ({"offset": 5, "length": 2}, ""), ({"offset": 5}, "\0\0c")],
)
async def test_a_hole_reads_as_nul_bytes(frontend, task_id, query, text):
    await some_output(frontend.database, task_id, b"ab", start=2)
    await some_output(frontend.database, task_id, b"c", start=7)

    reply = await frontend.get(f"task/{task_id}/stdout", **query)

    assert reply.json()["output"] == text


@pytest.mark.parametrize(
    ("query", "text"),
    [({}, "0123456789a"), ({"offset": 6}, "6789a"), ({"offset": 4, "length": 3}, "456"), ({"offset": 10}, "a")],
)
async def test_where_chunks_overlap_each_byte_is_read_once(frontend, task_id, query, text):
    await some_output(frontend.database, task_id, b"01234567")
    await some_output(frontend.database, task_id, b"XX", start=2)
    await some_output(frontend.database, task_id, b"X6789a", start=5)

    assert (await frontend.get(f"task/{task_id}/stdout", **query)).json()["output"] == text


async def test_invalid_utf8_is_replaced(frontend, task_id):
    await some_output(frontend.database, task_id, b"a\xffb\xe2\x82")

    reply = await frontend.get(f"task/{task_id}/stdout")

    assert reply.json()["output"] == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"


async def test_a_task_shows_its_last_run_and_a_run_its_own(frontend, task_id):
    await a_result(frontend.database, task_id, state=TaskState.RUNNING, run_number=2)
    await a_run(frontend.database, task_id, number=1, state=TaskState.BOT_DIED)
    await a_run(frontend.database, task_id, number=2)
    await some_output(frontend.database, task_id, b"first", number=1)
    await some_output(frontend.database, task_id, b"second", number=2)

    by_task = await frontend.get(f"task/{task_id}/stdout", wait_secs=0)
    by_run = await frontend.get(f"task/{task_id[:-1]}1/stdout", wait_secs=0)

    assert by_task.json() == {
        "output": "second",
        "state": "RUNNING",
        "next_offset": "6",
        "run_id": task_id[:-1] + "2",
    }
    assert by_run.json()["output"] == "first"
    assert by_run.json()["state"] == "BOT_DIED"


async def test_a_follower_never_gets_half_a_character(frontend, task_id):
    await some_output(frontend.database, task_id, "a€".encode()[:3])

    first, waiting = await follow(frontend, task_id)

    assert (first, waiting["next_offset"]) == (["a"], "1")
    await some_output(frontend.database, task_id, "€b".encode()[2:], start=3)
    assert (await follow(frontend, task_id))[0] == ["a€b"]


async def test_at_the_end_half_a_character_is_replaced(frontend, task_id):
    await some_output(frontend.database, task_id, "a€".encode()[:3])
    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, run_number=1)

    texts, last = await follow(frontend, task_id)

    assert "".join(texts) == "a\N{REPLACEMENT CHARACTER}"
    assert (last["state"], last["next_offset"]) == ("COMPLETED", "3")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(length=strategies.integers(1, 9))
async def test_a_follower_gets_all_characters_whatever_the_length(frontend, task_id, length):
    text = "aé€😀" * 5
    await a_result(frontend.database, task_id, state=TaskState.COMPLETED, run_number=1)
    await a_run(frontend.database, task_id)
    if not (await follow(frontend, task_id))[0]:
        await some_output(frontend.database, task_id, text.encode())

    texts, _ = await follow(frontend, task_id, length=length)

    assert "".join(texts) == text


@given(strategies.text(min_size=1), strategies.integers(1, 3))
def test_what_is_cut_is_only_ever_an_unfinished_character(text, missing):
    whole = text.encode()
    part = whole[: max(len(whole) - missing, 0)]

    kept = part[: len(part) - cut_character(part)]

    assert text.startswith(kept.decode())
    assert len(part) - len(kept) <= 3


@given(strategies.binary())
def test_bytes_that_are_no_text_are_never_held_back_for_long(content):
    assert 0 <= cut_character(content) <= 3
    assert cut_character(content + b"\n") == 0
    assert cut_character(content + b"\x80\x80\x80\x80") == 0
