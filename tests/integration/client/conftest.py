"""The `swarming` command as a process, against a scripted server."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.client.scripted_server import ScriptedServer, scripted_server


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with scripted_server() as scripted:
        yield scripted


@pytest.fixture
def start_swarming(server: ScriptedServer) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start `swarming ARGUMENT…` as a process of its own against the scripted server."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-c",
            "import sys; from swarming_client.main import main; sys.exit(main())",
        ]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        environment = os.environ | {"SWARMING_SERVER": server.url, "COLUMNS": "80"}
        started.append(subprocess.Popen([*command, *arguments], **(pipes | options), text=True, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()
