"""Carry out one run: confirm it, start its process, watch it, report how it ended, clean up."""

from __future__ import annotations

import contextlib
import logging
import traceback
from typing import Any, Callable, Dict, Optional

from swarming_bot.environment import Environment, prepare_environment
from swarming_bot.errors import BotError, Refused, ServerAway
from swarming_bot.manifest import Manifest, parse_manifest, run_id_of
from swarming_bot.output import Output
from swarming_bot.process import NotStarted, Process
from swarming_bot.report import TERMINATED_MESSAGE, Report
from swarming_bot.sender import Sender
from swarming_bot.server import Server
from swarming_bot.stop import Stop
from swarming_bot.supervision import Cause, Ending, Supervision
from swarming_bot.work_folder import WorkFolder, remove_tree

log = logging.getLogger(__name__)


class Runs:
    """Carries out the runs of one bot, one after the other."""

    def __init__(
        self,
        server: Server,
        folder: WorkFolder,
        stop: Stop,
        bot_id: str,
        server_url: str,
        cost_usd_hour: float,
    ) -> None:
        self._server = server
        self._folder = folder
        self._stop = stop
        self._bot_id = bot_id
        self._server_url = server_url
        self._cost_usd_hour = cost_usd_hour

    def carry_out(self, raw: Dict[str, Any]) -> None:
        """Do the run that a poll was answered with. Whatever goes wrong ends the run, never the bot.

        Raises BadManifest only when not even the run's id is there to report on.
        """
        run_id = run_id_of(raw)
        output = Output(self._folder.path)
        report = Report(self._server, run_id, output, self._cost_usd_hour)
        folder = self._folder.run_folder(run_id)
        try:
            self._do(raw, report, output, folder)
        except ServerAway as error:
            log.error("run_given_up run_id=%s error=%s", run_id, error)
        except Exception as error:
            log.error("run_failed run_id=%s error=%s", run_id, error, exc_info=not isinstance(error, BotError))
            self._report_failure(report, run_id, error)
        finally:
            output.close()
            if not remove_tree(folder):
                log.warning("run_folder_left path=%s", folder)

    def _do(self, raw: Dict[str, Any], report: Report, output: Output, folder: str) -> None:
        manifest = parse_manifest(raw)
        report.ping_tolerance = manifest.ping_tolerance
        preparation = _Preparation(lambda: prepare_environment(manifest, folder, self._server_url, self._bot_id))
        if not report.confirm(meanwhile=preparation.do):
            report.canceled()
            return
        if self._stop.requested:
            report.failed(TERMINATED_MESSAGE)
            return
        environment = preparation.result()
        try:
            process = Process(environment.command, environment.cwd, environment.variables)
        except NotStarted as error:
            output.append(f"swarming_bot: {error}\n".encode("utf-8", "replace"))
            ending = Ending(1, 0.0, Cause.ITSELF)
        else:
            ending = self._watch(process, manifest, report, output)
        if ending.cause is Cause.BOT_STOPS:
            report.failed(TERMINATED_MESSAGE)
        else:
            report.finished(ending, meanwhile=lambda: _remove_quietly(folder))
        log.info("run_finished run_id=%s exit_code=%d", manifest.run_id, ending.exit_code)

    def _watch(self, process: Process, manifest: Manifest, report: Report, output: Output) -> Ending:
        sender = Sender(report.progress, self._stop.wake)
        try:
            self._folder.remember(process.pid, manifest.run_id)
            log.info("run_started run_id=%s pid=%d", manifest.run_id, process.pid)
            ending = Supervision(process, manifest, output, sender, self._stop).run()
        finally:
            process.end()
            self._folder.forget()
            sender.finish()
        # After a silence the final report is still tried; after a refusal the run has failed.
        if sender.error is not None and not isinstance(sender.error, ServerAway):
            raise sender.error
        return ending

    def _report_failure(self, report: Report, run_id: str, error: Exception) -> None:
        message = str(error) if isinstance(error, BotError) else traceback.format_exc()
        try:
            if isinstance(error, Refused):
                # The server does not take updates of this run; it may still take the reason.
                self._server.task_error(run_id, message, report.ping_tolerance)
            else:
                report.failed(message)
        except BotError as second:
            log.error("run_failure_not_reported run_id=%s error=%s", run_id, second)


class _Preparation:
    """Prepares while the connection is busy, and keeps what went wrong away from the connection."""

    def __init__(self, prepare: Callable[[], Environment]) -> None:
        self._prepare = prepare
        self._environment: Optional[Environment] = None
        self._error: Optional[Exception] = None

    def do(self) -> None:
        try:
            self._environment = self._prepare()
        except Exception as error:  # raised again by result()
            self._error = error

    def result(self) -> Environment:
        if self._environment is None and self._error is None:
            self.do()
        if self._error is not None:
            raise self._error
        assert self._environment is not None
        return self._environment


def _remove_quietly(folder: str) -> None:
    # Removed while the server takes the last update; whatever is left is tried again afterwards.
    with contextlib.suppress(OSError):
        remove_tree(folder)
