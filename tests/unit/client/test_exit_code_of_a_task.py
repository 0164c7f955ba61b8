"""What the end of a task means for the exit code."""

import pytest

from swarming_client.exit_code import exit_code_of, why_it_failed
from swarming_client.messages import TaskResult


def a_result(state: str, exit_code: int | None, **more: str) -> TaskResult:
    json = {"task_id": "7c2236638dbfed10", "state": state, **more}
    return TaskResult.from_json(json | ({} if exit_code is None else {"exit_code": str(exit_code)}))


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (0, 0),
        (3, 3),
        (255, 255),
        (256, 255),
        (512, 255),
        (3221225477, 255),
        (-1, 129),
        (-9, 137),
        (-15, 143),
        (-128, 255),
        (-1073741819, 255),
    ],
)
def test_the_exit_code_of_a_command_is_passed_on_within_what_a_shell_can_hold(told: int, expected: int):
    assert exit_code_of(a_result("COMPLETED", told)) == expected
    assert why_it_failed(a_result("COMPLETED", told)) is None


@pytest.mark.parametrize(
    "state",
    ["EXPIRED", "CANCELED", "BOT_DIED", "NO_RESOURCE", "CLIENT_ERROR", "KILLED", "COMPLETED", "NEW_STATE"],
)
def test_a_task_without_an_exit_code_gives_1_and_a_word_why(state: str):
    result = a_result(state, None)

    assert exit_code_of(result) == 1
    assert why_it_failed(result)


@pytest.mark.parametrize("state", ["KILLED", "TIMED_OUT"])
def test_the_minus_1_that_the_server_fills_in_for_a_stopped_task_counts_as_none(state: str):
    assert exit_code_of(a_result(state, -1)) == 1


def test_a_task_that_timed_out_by_a_signal_says_so_and_keeps_the_signal():
    result = a_result("TIMED_OUT", -9)

    assert exit_code_of(result) == 137
    assert why_it_failed(result) == "timed out"


@pytest.mark.parametrize(
    ("state", "reason", "said"),
    [
        ("BOT_DIED", "no", "the bot died: no"),
        ("NO_RESOURCE", "no", "no resource: no"),
        ("CLIENT_ERROR", "no", "its input is not valid: no"),
        ("KILLED", "its parent ended", "killed: its parent ended"),
        (
            "TIMED_OUT",
            "it ran for longer than its execution_timeout_secs",
            "timed out: it ran for longer than its execution_timeout_secs",
        ),
    ],
)
def test_the_reason_that_the_server_knows_is_told(state: str, reason: str, said: str):
    assert why_it_failed(a_result(state, None, reason=reason)) == said


def test_a_stopped_task_never_succeeds_even_if_its_process_ended_with_0():
    assert exit_code_of(a_result("TIMED_OUT", 0)) == 1
