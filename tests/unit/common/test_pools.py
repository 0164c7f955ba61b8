"""The settings of pools, and the file that they are read from."""

import os
from pathlib import Path

import pytest

from swarming_common.pools.file import PoolsFile, open_pools, parse_pools
from swarming_common.pools.port import Order, PoolSettings
from swarming_common.settings import InvalidSetting

BUILT_IN = PoolSettings(task_retries=3)


def write(path: Path, text: str) -> None:
    """As an editor does: another file in its place, so that its change is seen however coarse the clock is."""
    (path.parent / "new").write_text(text)
    os.replace(path.parent / "new", path)


def test_a_named_pool_has_its_own_settings_and_the_default_s_for_the_rest():
    pools = parse_pools(
        """
        [default]
        task_retries = 2
        [pools.nightly]
        order = "lifo"
        max_pending = 1000
        """,
        BUILT_IN,
    )

    assert pools.of("nightly") == PoolSettings(order=Order.LIFO, task_retries=2, max_pending=1000)
    assert pools.of("another") == PoolSettings(order=Order.FIFO, task_retries=2, max_pending=None)
    assert pools.has_limits


def test_an_empty_file_leaves_every_pool_at_what_is_built_in():
    pools = parse_pools("", BUILT_IN)

    assert pools.of("any") == BUILT_IN
    assert not pools.has_limits


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[pools.a]\norder = 'random'", "pools.a.order: expected fifo or lifo, got 'random'"),
        ("[default]\ntask_retries = 15", "default.task_retries: expected an integer from 0 to 14, got 15"),
        ("[default]\ntask_retries = true", "default.task_retries: expected an integer from 0 to 14, got True"),
        ("[pools.a]\nmax_pending = -1", "pools.a.max_pending: expected an integer of at least 0, got -1"),
        ("[pools.a]\nmax_pendin = 1", "pools.a.max_pendin: no such setting"),
        ("[pool.a]", "pool: no such setting"),
        ("pools = 3", "pools: expected a table, got 3"),
        ("[pools]\na = 3", "pools.a: expected a table, got 3"),
        ("order =", "expected TOML"),
    ],
)
def test_a_wrong_file_is_refused_by_the_name_of_the_key(text, words):
    with pytest.raises(InvalidSetting) as refused:
        parse_pools(text, BUILT_IN)

    assert words in str(refused.value)


@pytest.mark.parametrize("content", [None, b"\xff", b"x"])
async def test_a_service_does_not_start_with_a_file_that_cannot_be_read(tmp_path, content):
    path = tmp_path / "pools.toml"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(InvalidSetting, match=r"SWARMING_POOLS_FILE: .*pools\.toml"):
        async with open_pools(str(path), BUILT_IN):
            pass


async def test_a_change_is_taken_and_a_wrong_one_leaves_the_last_good_settings(tmp_path):
    path = tmp_path / "pools.toml"
    path.write_text("[default]\nmax_pending = 1")
    pools = PoolsFile(path, BUILT_IN)
    seen = [pools.of("a").max_pending]

    for text in ("[default]\nmax_pending = 22", "[default]\nmax_pending = 'x'", "[default]\nmax_pending = 4444"):
        write(path, text)
        await pools.refresh()
        seen.append(pools.of("a").max_pending)

    assert seen == [1, 22, 22, 4444]
