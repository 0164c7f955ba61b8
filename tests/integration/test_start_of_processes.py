"""How processes start, or say why they do not."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from swarming_common.database.sqlite import FILE_NAME, open_sqlite
from tests.servers.ports import free_port

WAIT_SECONDS = 60.0


def ended(*command: str, **environment: str) -> tuple[int, str]:
    """The exit code of a process that does not get to serve, and what it says."""
    process = subprocess.run(
        [sys.executable, *command],
        env=os.environ | environment,
        stderr=subprocess.PIPE,
        text=True,
        timeout=WAIT_SECONDS,
    )
    return process.returncode, process.stderr


def standalone(data: Path, **environment: str) -> tuple[int, str]:
    swarming = str(Path(sys.executable).with_name("swarming"))
    return ended(swarming, "standalone", "--port", "0", "--data", str(data), **environment)


@pytest.mark.parametrize("service", ["frontend", "scheduler", "botgateway", "stats"])
def test_a_service_names_a_setting_that_is_wrong(service: str):
    code, said = ended("-m", f"swarming_{service}", SWARMING_BOT_DEATH_TIMEOUT_SECS="0")

    assert (code, said) == (2, f"{service}: SWARMING_BOT_DEATH_TIMEOUT_SECS: expected more than 0, got '0'\n")


@pytest.mark.parametrize("service", ["frontend", "scheduler", "botgateway", "stats"])
def test_a_service_names_a_setting_that_is_missing(service: str):
    code, said = ended("-m", f"swarming_{service}", SWARMING_DATABASE_URL="")

    assert code == 2
    assert said.startswith(f"{service}: SWARMING_DATABASE_URL is not set")


def test_the_standalone_names_a_setting_that_is_wrong(tmp_path: Path):
    code, said = standalone(tmp_path, SWARMING_LOG_FORMAT="loud")

    assert code == 1
    assert (
        said
        == "swarming standalone: SWARMING_LOG_FORMAT: expected a text that matches ^(auto|json|text)$, got 'loud'\n"
    )


async def test_a_standalone_leaves_alone_what_is_in_use(tmp_path: Path):
    database = await open_sqlite(tmp_path)  # as an older release had it, or none

    code, said = standalone(tmp_path)

    await database.close()
    assert (code, said) == (1, f"swarming standalone: {tmp_path} is in use by another process\n")
    with closing(sqlite3.connect(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_a_standalone_says_that_a_folder_is_of_no_use(tmp_path: Path):
    (tmp_path / "data").write_text("a file")

    code, said = standalone(tmp_path / "data")

    assert code == 1
    assert said.startswith("swarming standalone: the database cannot be reached (FileExistsError")
    assert "Traceback" not in said


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
def test_the_bots_of_a_standalone_at_an_ipv6_address_join_it(tmp_path: Path, host: str):
    port = free_port()
    url = f"http://[::1]:{port}"
    swarming = str(Path(sys.executable).with_name("swarming"))
    options = ["--host", host, "--port", str(port), "--bots", "1", "--data", str(tmp_path)]
    process = subprocess.Popen([swarming, "standalone", *options], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        first = next(line for line in process.stderr if line.startswith("Swarming is at"))
        done = subprocess.run(
            [swarming, "run", "--server", url, "-d", "pool=default", "--", "sh", "-c", "echo $SWARMING_SERVER"],
            stdout=subprocess.PIPE,
            text=True,
            timeout=WAIT_SECONDS,
        )
    finally:
        process.terminate()
        process.communicate(timeout=WAIT_SECONDS)

    assert first == f"Swarming is at {url}\n"
    assert (done.returncode, done.stdout) == (0, f"{url}\n")
