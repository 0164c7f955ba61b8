"""A standalone from its first moment on: it is ready, and says so, when its own bots have joined."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from swarming_bot.dimensions import short_host_name
from swarming_standalone.settings import url_of
from tests.end_to_end.fresh_starts import SWARMING, fresh_start
from tests.servers.ports import free_port

PATIENCE_SECONDS = 30.0


@pytest.mark.parametrize("number", range(3))
def test_a_run_on_a_standalone_that_was_started_that_very_moment_finds_its_bots(tmp_path, number):
    done = fresh_start(tmp_path)

    assert (done.returncode, done.stdout) == (0, "42\n"), done.stderr


def test_a_standalone_tells_that_its_bots_ended_and_is_not_ready(tmp_path):
    in_the_way = tmp_path / "bots" / short_host_name()
    in_the_way.parent.mkdir()
    in_the_way.write_text("a file where the bot's folder should be")

    with standalone(tmp_path, "127.0.0.1") as (url, said):
        line = said("The local bots ended")
        status, found = readiness(url, 503)

    assert line == "The local bots ended with exit code 1; the lines above say why.\n"
    assert status == 503
    assert found["wrong"]["local_bots"].startswith("the local bots ended with exit code 1")


def test_a_standalone_on_an_ipv6_address_is_found_there_by_its_own_bots(tmp_path):
    with standalone(tmp_path, "::1") as (url, said):
        line = said("Swarming is at")
        status, found = readiness(url, 200)

    assert line == f"Swarming is at {url}\n"
    assert (status, found["local_bots"]) == (200, True)


@contextmanager
def standalone(folder: Path, host: str) -> Iterator[tuple[str, Callable[[str], str]]]:
    """One with a local bot; gives its address, and a function that waits for a line which begins so."""
    port = free_port()
    server = subprocess.Popen(
        [SWARMING, "standalone", "--host", host, "--port", str(port), "--bots", "1", "--data", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
    )
    lines = server.stderr
    assert lines is not None
    try:
        yield url_of(host, port), lambda start: next(line for line in lines if line.startswith(start))
    finally:
        server.terminate()
        server.communicate()


def readiness(url: str, expected: int) -> tuple[int, dict[str, Any]]:
    """What it says of itself, as soon as it answers so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        answer = httpx.get(f"{url}/readyz", timeout=PATIENCE_SECONDS)
        if answer.status_code == expected or time.monotonic() > deadline:
            return answer.status_code, answer.json()
        time.sleep(0.1)
