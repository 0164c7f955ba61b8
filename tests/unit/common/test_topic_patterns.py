import pytest

from swarming_common.bus.routing import matches


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("task.#", "task"),
        ("task.#", "task.completed.s07.default"),
        ("#", "anything.at.all"),
        ("task.*.s07.*", "task.completed.s07.default"),
        ("#.default", "task.completed.s07.default"),
        ("task.#.default", "task.default"),
        ("task.completed", "task.completed"),
    ],
)
def test_a_pattern_matches_as_rabbitmq_would(pattern: str, key: str):
    assert matches(pattern, key)


@pytest.mark.parametrize(
    ("pattern", "key"),
    [
        ("task.*", "task"),
        ("task.*", "task.completed.s07"),
        ("task.#", "tasks.completed"),
        ("*.s07", "task.completed.s07"),
        ("task.completed", "task.completed.s07"),
        ("task.#.default", "task.completed.s07"),
    ],
)
def test_a_pattern_does_not_match_what_rabbitmq_would_not(pattern: str, key: str):
    assert not matches(pattern, key)
