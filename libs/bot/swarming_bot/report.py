"""Everything the server is told about one run, in the order the protocol wants it."""

from __future__ import annotations

import logging
import time
from typing import Any, Callable, Dict, Mapping, Optional

from swarming_bot.boot_clock import boot_seconds
from swarming_bot.calls import Json
from swarming_bot.errors import Failure, Refused, ServerAway
from swarming_bot.manifest import DEFAULT_PING_TOLERANCE_SECONDS
from swarming_bot.output import LARGEST_CHUNK_BYTES, Output
from swarming_bot.server import Server, UpdateAnswer
from swarming_bot.stop import Stop
from swarming_bot.supervision import Cause, Ending
from swarming_bot.undelivered import Undelivered

log = logging.getLogger(__name__)

END_PATIENCE_SECONDS = 5.0  # then the end of a run is also written to disk, and told from there
TERMINATED_MESSAGE = "Was terminated before completion"


class Report:
    """The conversation about one run; used by one thread at a time.

    Every method raises Refused when the server does not want to hear of this run; those that do not end it raise
    ServerAway when the server stayed silent for the run's ping tolerance. What ends it is told however long the server
    is away, and kept on disk if the bot is stopped before.
    """

    def __init__(
        self,
        server: Server,
        stop: Stop,
        undelivered: Undelivered,
        run_id: str,
        output: Output,
        cost_usd_hour: float,
    ) -> None:
        self._server = server
        self._stop = stop
        self._undelivered = undelivered
        self._run_id = run_id
        self._output = output
        self._cost_usd_hour = cost_usd_hour
        self._began = time.monotonic()
        self._last_heard = boot_seconds()
        self.on_heard: Callable[[float], None] = lambda ours_until: None
        self.ping_tolerance = DEFAULT_PING_TOLERANCE_SECONDS  # seconds
        self.is_ending = False  # set when the process has ended: progress that cannot be told now is part of the end

    @property
    def ours_until(self) -> float:
        """When the run may be another bot's, if the server is not heard before; boot seconds."""
        return self._last_heard + self.ping_tolerance

    def confirm(self, meanwhile: Callable[[], None]) -> bool:
        """Ask whether the run is still ours, before its process starts; say whether it may start.

        meanwhile: done once, while the server thinks.
        """
        return not self._update({}, self.ping_tolerance, meanwhile=meanwhile).must_stop

    def canceled(self) -> None:
        """The run was stopped before its process started."""
        self._update({"canceled": True}, self.ping_tolerance)

    def progress(self) -> bool:
        """Send the oldest chunk of output, or a heartbeat; say whether the run must stop."""
        start, chunk = self._output.next_chunk()
        patience = self.ours_until - boot_seconds()
        answer = self._update({}, patience, chunk, start, goes_on=lambda: not self.is_ending)
        self._output.acknowledge(start + len(chunk))
        return answer.must_stop

    def finished(
        self,
        ending: Ending,
        meanwhile: Callable[[], None],
        stats: Mapping[str, Any],
        next_poll: Optional[Json] = None,
    ) -> Optional[Json]:
        """Send the rest of the output and how the process ended.

        meanwhile: done when the last update has left, and again if that has to be sent without next_poll.
        stats: further fields of the final update.
        next_poll: what the poll would say that follows this run. Returned is the reply to it, if the server gave one.
        """
        fields = {
            "exit_code": ending.exit_code,
            "duration": ending.duration,
            "hard_timeout": ending.cause is Cause.HARD_TIMEOUT,
            "io_timeout": ending.cause is Cause.IO_TIMEOUT,
            "bot_overhead": max(0.0, time.monotonic() - self._began - ending.duration),
            **stats,
        }
        return self._end(fields, None, meanwhile, next_poll)

    def given_up(self) -> None:
        """Send the rest of the output, but no end: the server is to give the task to another bot."""
        self._end({}, None, lambda: None)

    def failed(self, failure: Failure) -> None:
        """The run ends for another reason than its process. Output that cannot be read any more is given up for it."""
        try:
            self._output.next_chunk()
        except OSError as error:
            log.error("output_lost run_id=%s offset=%d error=%s", self._run_id, self._output.unsent_start, error)
            self._output.drop_unsent()
        self._end({}, failure, lambda: None)

    def _end(
        self,
        fields: Dict[str, Any],
        failure: Optional[Failure],
        meanwhile: Callable[[], None],
        next_poll: Optional[Json] = None,
    ) -> Optional[Json]:
        fields = {**fields, "cost_usd": self._cost()}
        try:
            return self._tell_end(fields, failure, meanwhile, END_PATIENCE_SECONDS, next_poll)
        except ServerAway:
            try:
                self._undelivered.keep(self._run_id, self._server.session, fields, failure, self._output)
            except OSError as error:
                log.error("report_not_kept run_id=%s error=%s", self._run_id, error)
                self._tell_end(fields, failure, lambda: None, self.ping_tolerance)
            else:
                self._undelivered.deliver(self._server, self._stop)
        return None

    def _tell_end(
        self,
        fields: Dict[str, Any],
        failure: Optional[Failure],
        meanwhile: Callable[[], None],
        patience: float,
        next_poll: Optional[Json] = None,
    ) -> Optional[Json]:
        while self._output.unsent > LARGEST_CHUNK_BYTES:
            start, chunk = self._output.next_chunk()
            self._update({}, patience, chunk, start)
            self._output.acknowledge(start + len(chunk))
        start, chunk = self._output.next_chunk()
        if next_poll is not None:
            try:
                asking = {**fields, "next_poll": next_poll}
                return self._update(asking, patience, chunk, start, meanwhile).next_reply
            except Refused as error:
                # Perhaps by a replica of an older release, which knows no such field: no run is to be lost for it.
                log.warning("next_poll_refused run_id=%s error=%s", self._run_id, error)
                self._server.takes_next_poll = False
        self._update(fields, patience, chunk, start, meanwhile)
        if failure is not None:
            self._output.acknowledge(start + len(chunk))
            self._server.task_error(self._run_id, failure, patience)
        return None

    def _update(
        self,
        fields: Dict[str, Any],
        patience: float,
        output: bytes = b"",
        output_start: int = 0,
        meanwhile: Callable[[], None] = lambda: None,
        goes_on: Callable[[], bool] = lambda: True,
    ) -> UpdateAnswer:
        fields = {"cost_usd": self._cost(), **fields}
        about = (self._run_id, fields, output, output_start)
        answer = self._server.task_update(*about, patience, meanwhile, goes_on)
        # The server counts from the question. The answer may have waited here for as long as this process was stopped.
        self._last_heard = self._server.asked_at
        self.on_heard(self.ours_until)
        return answer

    def _cost(self) -> float:
        return self._cost_usd_hour * (time.monotonic() - self._began) / 3600.0
