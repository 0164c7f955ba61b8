"""Everything the server is told about one run, in the order the protocol wants it."""

from __future__ import annotations

import time
from typing import Any, Callable, Dict

from swarming_bot.manifest import DEFAULT_PING_TOLERANCE_SECONDS
from swarming_bot.output import LARGEST_CHUNK_BYTES, Output
from swarming_bot.server import Server
from swarming_bot.supervision import Cause, Ending

TERMINATED_MESSAGE = "Was terminated before completion"


class Report:
    """The conversation about one run; used by one thread at a time.

    Every method raises ServerAway when the server stayed silent for the run's ping tolerance, and Refused
    when it does not want to hear of this run.
    """

    def __init__(self, server: Server, run_id: str, output: Output, cost_usd_hour: float) -> None:
        self._server = server
        self._run_id = run_id
        self._output = output
        self._cost_usd_hour = cost_usd_hour
        self._began = time.monotonic()
        self._last_heard = self._began
        self.ping_tolerance = DEFAULT_PING_TOLERANCE_SECONDS  # seconds

    def confirm(self, meanwhile: Callable[[], None]) -> bool:
        """Ask whether the run is still ours, before its process starts; say whether it may start.

        meanwhile: done once, while the server thinks.
        """
        return not self._update({}, self.ping_tolerance, meanwhile=meanwhile)

    def canceled(self) -> None:
        """The run was stopped before its process started."""
        self._update({"canceled": True}, self.ping_tolerance)

    def progress(self) -> bool:
        """Send the oldest chunk of output, or a heartbeat; say whether the run must stop."""
        start, chunk = self._output.next_chunk()
        silence = time.monotonic() - self._last_heard
        must_stop = self._update({}, self.ping_tolerance - silence, chunk, start)
        self._output.acknowledge(start + len(chunk))
        return must_stop

    def finished(self, ending: Ending, meanwhile: Callable[[], None]) -> None:
        """Send the rest of the output and how the process ended.

        meanwhile: done once, when the last update has left.
        """
        self._send_all_but_the_last_chunk()
        start, chunk = self._output.next_chunk()
        fields = {
            "exit_code": ending.exit_code,
            "duration": ending.duration,
            "hard_timeout": ending.cause is Cause.HARD_TIMEOUT,
            "io_timeout": ending.cause is Cause.IO_TIMEOUT,
            "bot_overhead": max(0.0, time.monotonic() - self._began - ending.duration),
        }
        self._update(fields, self.ping_tolerance, chunk, start, meanwhile)

    def failed(self, message: str) -> None:
        """The bot, not the task, is why this run ends."""
        self._send_all_but_the_last_chunk()
        start, chunk = self._output.next_chunk()
        self._update({}, self.ping_tolerance, chunk, start)
        self._output.acknowledge(start + len(chunk))
        self._server.task_error(self._run_id, message, self.ping_tolerance)

    def _send_all_but_the_last_chunk(self) -> None:
        while self._output.unsent > LARGEST_CHUNK_BYTES:
            start, chunk = self._output.next_chunk()
            self._update({}, self.ping_tolerance, chunk, start)
            self._output.acknowledge(start + len(chunk))

    def _update(
        self,
        fields: Dict[str, Any],
        patience: float,
        output: bytes = b"",
        output_start: int = 0,
        meanwhile: Callable[[], None] = lambda: None,
    ) -> bool:
        cost = self._cost_usd_hour * (time.monotonic() - self._began) / 3600.0
        fields = {**fields, "cost_usd": cost}
        must_stop = self._server.task_update(self._run_id, fields, output, output_start, patience, meanwhile)
        self._last_heard = time.monotonic()
        return must_stop
