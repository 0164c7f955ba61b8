"""Tasks on their way through the system: submitted by several users at once, each again until it was answered."""

import random
import threading
import time
import uuid
from dataclasses import dataclass

from swarming_client import ServerUnavailable, Swarming
from tests.cluster import Deployment
from tests.cluster.workload import Journal, request

SHORT_SECONDS = 0.1, 4.0
LONG_SECONDS = 40.0
EVERY_NTH_IS_LONG = 40
POOLS = [f"pool-{number}" for number in range(6)]
BOT_DIMENSIONS = [("pool", pool) for pool in POOLS]
"""Each bot is in every pool: so it offers itself to several shards, and is given work by two of them at once."""
PING_TOLERANCE_SECS = 30
"""Longer than the silences of a quiet bot and of a restarting server together, even on a busy machine, and below
LONG_SECONDS: a false silence would show."""


@dataclass(frozen=True)
class Answered:
    """A submission that was answered."""

    label: str
    task_id: str
    uuid: str
    seconds: float
    """From its first try to its answer."""


class Flight:
    """So many tasks, submitted by so many threads: the first `at_once` without a pause and some of them long, the
    others one by one."""

    def __init__(
        self,
        deployment: Deployment,
        journal: Journal,
        *,
        tasks: int,
        at_once: int,
        submitters: int,
        pause_seconds: float,
    ) -> None:
        self.answered: list[Answered] = []
        self.failures: list[str] = []
        self._deployment = deployment
        self._journal = journal
        self._numbers = iter(range(tasks))
        self._turn = threading.Lock()
        self._at_once = at_once
        self._pause_seconds = pause_seconds
        self._threads = [threading.Thread(target=self._submit, daemon=True) for _ in range(submitters)]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def land(self, seconds: float) -> None:
        """Return when every submission was answered; raises AssertionError when it takes too long."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        assert not any(thread.is_alive() for thread in self._threads), f"unanswered after {seconds} s"
        assert not self.failures, self.failures

    def _submit(self) -> None:
        try:
            with Swarming(self._deployment.url) as client:
                while (number := self._next()) is not None:
                    is_long = number < self._at_once and number % EVERY_NTH_IS_LONG == 0
                    self._submit_one(
                        client, f"task-{number}", LONG_SECONDS if is_long else random.uniform(*SHORT_SECONDS)
                    )
                    if number >= self._at_once:
                        time.sleep(random.uniform(0.0, 2 * self._pause_seconds))
        except Exception as error:
            self.failures.append(repr(error))

    def _next(self) -> int | None:
        with self._turn:
            return next(self._numbers, None)

    def _submit_one(self, client: Swarming, label: str, seconds: float) -> None:
        began = time.monotonic()
        own = str(uuid.uuid4())
        body = request(
            self._journal.command(label, seconds),
            name=label,
            uuid=own,
            dimensions=[("pool", random.choice(POOLS))],
            ping_tolerance_secs=PING_TOLERANCE_SECS,
        )
        while True:
            try:
                task_id = client.new_task(body).task_id
            except ServerUnavailable:
                continue  # the same uuid: whatever became of the first try, there is one task
            self.answered.append(Answered(label, task_id, own, time.monotonic() - began))
            return
