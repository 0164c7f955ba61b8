"""What both forms of Swarming have in common for a test: an address, bots, a client, and logs."""

import os
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from swarming_client import Swarming
from swarming_common.database.port import Work
from tests.cluster.program import ORDERLY_SECONDS, Program, ProgramFailed

T = TypeVar("T")

START_SECONDS = 60.0
"""Longer than any start on a busy machine; a test's own time limit ends it sooner."""
PAUSE_SECONDS = 0.05

FAST_SETTINGS = {
    "SWARMING_MIN_TIMEOUT_SECS": "1",
    "SWARMING_MIN_PING_TOLERANCE_SECS": "1",
}
"""Lower floors, so that a test of a time limit does not take half a minute."""

OPEN: "list[Deployment]" = []
"""Those that run now: their logs belong into the report of a failing test."""


class Deployment(ABC):
    """Swarming at `url` while its context is open. Every process that it starts ends with it."""

    url: str

    def __init__(self, folder: Path, settings: Mapping[str, str] | None = None) -> None:
        """`folder` takes logs and work folders; `settings` are variables `SWARMING_…` for all services."""
        self.folder = folder
        self.settings = {"SWARMING_LOG_FORMAT": "json", **FAST_SETTINGS, **(settings or {})}
        self.services: dict[str, Program] = {}
        """By name: `scheduler-1`, `frontend-2`, …; the embedded form has one, `standalone`."""
        self.bots: dict[str, Program] = {}
        """By the name given at `start_bots`: processes of one bot or of many."""
        self._clients: list[Swarming] = []

    @abstractmethod
    def start(self) -> None:
        """Start all services; returns when they are ready."""

    @abstractmethod
    def wait_ready(self, name: str) -> None:
        """Return when this service is ready to serve; raises ProgramFailed when it died or takes too long."""

    @abstractmethod
    def read(self, work: Work[T]) -> T:
        """Run a query on its database."""

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        OPEN.append(self)
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End bots and services in order, and kill what does not end. Repeats safely."""
        if self in OPEN:
            OPEN.remove(self)
        for client in self._clients:
            client.close()
        for programs in (self.bots, self.services):
            running = [one for one in programs.values() if one.is_running]
            for one in running:
                one.signal(signal.SIGCONT)
                one.signal(signal.SIGTERM)
            for one in running:
                one.wait_or_kill()

    def restart(self, name: str) -> None:
        """Start a service that has ended again; returns when it is ready."""
        self.services[name].start()
        self.wait_ready(name)

    def start_bots(self, count: int = 1, *, name: str = "bot", dimensions: Iterable[tuple[str, str]] = ()) -> Program:
        """So many bots in one process: `name` is the only one's id, several are `name-1`, `name-2`, ….

        Returns at once; tasks wait for them. The program can be killed and started again.
        """
        pairs = [part for key, value in dimensions for part in ("--dimension", f"{key}={value}")]
        options = ["--server", self.url, "--bots", str(count), "--id", name, "--work", str(self.folder / "bots")]
        bots = self.bots[name] = Program(
            name,
            [sys.executable, "-m", "swarming_bot", *options, *pairs],
            folder=self.folder,
            environment={},
            at_our_death=signal.SIGTERM,  # so that they end their tasks too
        )
        bots.start()
        return bots

    def wait_for_bots(self, count: int) -> None:
        """Return when so many bots are known; a task that no known bot could run ends at once."""
        client, deadline = self.client(), time.monotonic() + START_SECONDS
        while len(client.bots().items) < count:
            if time.monotonic() > deadline:
                raise ProgramFailed(f"fewer than {count} bots after {START_SECONDS:g} s")
            time.sleep(PAUSE_SECONDS)

    def client(self, **options: float) -> Swarming:
        """The SDK; closed with the deployment."""
        client = Swarming(self.url, **options)  # type: ignore[arg-type]
        self._clients.append(client)
        return client

    def command(self, *arguments: str) -> subprocess.Popen[str]:
        """The `swarming` command as users start it, under way, its output in pipes."""
        program = Path(sys.executable).with_name("swarming")
        return subprocess.Popen(
            [str(program), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "SWARMING_SERVER": self.url},
        )

    def run_command(self, *arguments: str, seconds: float = ORDERLY_SECONDS) -> subprocess.CompletedProcess[str]:
        """The same, to its end."""
        process = self.command(*arguments)
        try:
            out, err = process.communicate(timeout=seconds)
        finally:
            process.kill()
            process.wait()
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def log_ends(self) -> list[tuple[str, str]]:
        """Who said what last, for the report of a failing test."""
        return [(one.name, one.log_end()) for one in (*self.services.values(), *self.bots.values())]


def wait_until_ready(program: Program, url: str) -> None:
    """Return when `/readyz` says so; raises ProgramFailed when the program died or takes too long."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        why = f"{program.name} ended with {program.exit_status}"
        if program.is_running:
            try:
                answer = httpx.get(f"{url}/readyz", timeout=5, trust_env=False)
            except httpx.HTTPError as error:
                why = f"{program.name} does not answer: {error!r}"
            else:
                if answer.status_code == 200:
                    return
                why = f"{program.name} is not ready: {answer.text}"
            if time.monotonic() < deadline:
                time.sleep(PAUSE_SECONDS)
                continue
        raise ProgramFailed(f"{why}\n{program.log_end()}")
