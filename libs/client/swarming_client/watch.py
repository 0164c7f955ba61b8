"""Stay with a task until it ends: its output on standard output, how it stands in the status line."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from swarming_client.console import Console
from swarming_client.exit_code import why_it_failed
from swarming_client.follow import LONGEST_HOLD_SECS
from swarming_client.messages import TaskResult

if TYPE_CHECKING:
    from swarming_client.api import Swarming

STATUS_SECS = 1.0  # how often the status line moves
PATIENCE_SECS = 10.0  # after which it is said, where there is no status line, that a task still waits


def watch_output(client: Swarming, console: Console, task_id: str, timeout_secs: float | None = None) -> TaskResult:
    """Print the output as it comes and return the result once the task has ended; raises WaitTimeout."""
    status = _Status(client, console, task_id)
    for part in client.follow(task_id, timeout_secs=timeout_secs, hold_secs=_hold_secs(console)):
        status.note_run(part.run_id)
        console.write(part.text)
        status.update(part.state)
    return client.wait(task_id)


def watch_result(client: Swarming, console: Console, task_id: str, timeout_secs: float | None = None) -> TaskResult:
    """Return the result once the task has ended, without its output; raises WaitTimeout."""
    status = _Status(client, console, task_id)
    results = client.watch(task_id, timeout_secs=timeout_secs, hold_secs=_hold_secs(console))
    return deque((status.pass_on(result) for result in results), maxlen=1).pop()


def tell_why(console: Console, result: TaskResult) -> None:
    """Say on standard error why the task failed, if it was not its command's own doing."""
    if why := why_it_failed(result):
        console.say(f"task {result.task_id}: {why}")


class _Status:
    """The status line of one task."""

    def __init__(self, client: Swarming, console: Console, task_id: str) -> None:
        self._client = client
        self._console = console
        self._task_id = task_id
        self._bot_id: str | None = None
        self._run_id: str | None = None
        self._state = ""
        self._waiting_told = False
        self._since = time.monotonic()
        self._console.status(f"task {task_id}…")  # the first answer may be held, and tells how it really stands

    def pass_on(self, result: TaskResult) -> TaskResult:
        """Show the result and return it."""
        self._bot_id = result.bot_id
        self.update(result.state)
        return result

    def note_run(self, run_id: str | None) -> None:
        """Say so when the task starts over: its output begins again."""
        if self._run_id and run_id and run_id != self._run_id:
            self._bot_id = None
            self._console.say(f"task {self._task_id} starts over: its first bot was lost; run {run_id} follows")
        self._run_id = run_id or self._run_id

    def update(self, state: str) -> None:
        """Show the state and for how long it has lasted."""
        if not self._console.has_status:
            self._tell_waiting(state)
            return
        if state != self._state:
            self._state, self._since = state, time.monotonic()
        if state == "RUNNING" and not self._bot_id:
            self._bot_id = self._client.result(self._task_id).bot_id
        where = f" on {self._bot_id}" if state == "RUNNING" and self._bot_id else ""
        secs = time.monotonic() - self._since
        self._console.status(f"task {self._task_id}: {state.lower()}{where}… {secs:.0f} s")

    def _tell_waiting(self, state: str) -> None:
        if state == "PENDING" and not self._waiting_told and time.monotonic() - self._since >= PATIENCE_SECS:
            self._waiting_told = True
            self._console.say(f"task {self._task_id} still waits; `swarming why {self._task_id}` says for what")


def _hold_secs(console: Console) -> float:
    return STATUS_SECS if console.has_status else LONGEST_HOLD_SECS
