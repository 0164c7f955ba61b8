"""Carry out one run: confirm it, start its process, watch it, report how it ended, clean up."""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from dataclasses import dataclass, replace
from typing import Any, Callable, Dict, NamedTuple, Optional

from swarming_bot.boot_clock import boot_seconds
from swarming_bot.caches import NamedCaches
from swarming_bot.calls import Json
from swarming_bot.disk_failure import disk_failure
from swarming_bot.environment import Environment, task_folder_of
from swarming_bot.errors import BotError, DiskFailure, Failure, InputsNotFetched, Refused, ServerAway, TaskAtFault
from swarming_bot.hooked_bot import HookedBot
from swarming_bot.hooks import Hooks
from swarming_bot.manifest import Manifest, parse_manifest, run_id_of
from swarming_bot.outbox import Outbox
from swarming_bot.output import Output
from swarming_bot.preparation import Preparation, prepare_slowly
from swarming_bot.process import Process
from swarming_bot.removal import remove_tree
from swarming_bot.report import TERMINATED_MESSAGE, Report
from swarming_bot.sender import Sender
from swarming_bot.server import Server
from swarming_bot.stop import Stop
from swarming_bot.supervision import Cause, Ending, Supervision, silent_grace
from swarming_bot.tuning import Tuning
from swarming_bot.undelivered import Undelivered
from swarming_bot.watchdog_link import Guard, Watchdog
from swarming_bot.work_folder import WorkFolder

log = logging.getLogger(__name__)

SUMMARY_VERSION = 3  # of what on_after_task is given, as upstream's task runner counts it


@dataclass
class _Course:
    """How a run went, for on_after_task."""

    manifest: Optional[Manifest] = None
    ending: Optional[Ending] = None
    failure: Optional[str] = None  # the bot's, not the task's
    is_told: bool = True  # that it is over
    next_reply: Optional[Json] = None

    def summary(self) -> Dict[str, Any]:
        cause = self.ending.cause if self.ending is not None else None
        return {
            "exit_code": self.ending.exit_code if self.ending is not None else None,
            "hard_timeout": cause is Cause.HARD_TIMEOUT,
            "io_timeout": cause is Cause.IO_TIMEOUT,
            "must_signal_internal_failure": self.failure,
            "version": SUMMARY_VERSION,
        }


class Outcome(NamedTuple):
    """What a bot needs to know when a run is over."""

    is_told: bool  # whether the server knows that it is over; if not, a handshake must tell that the bot is without it
    next_reply: Optional[Json]  # to the poll that its last update carried


class Runs:
    """Carries out the runs of one bot, one after the other."""

    def __init__(
        self,
        *,
        server: Server,
        folder: WorkFolder,
        stop: Stop,
        watchdog: Watchdog,
        server_url: str,
        tuning: Callable[[], Tuning],
        hooks: Hooks,
        hooked_bot: HookedBot,
        outbox: Outbox,
        caches: NamedCaches,
        undelivered: Undelivered,
        next_poll: Callable[[], Optional[Json]],
        on_disk_failure: Callable[[str], None],
    ) -> None:
        """next_poll: what the next poll would say; None when there is to be one.

        on_disk_failure: told what is wrong with the disk when a run fails for it.
        """
        self._server = server
        self._folder = folder
        self._stop = stop
        self._watchdog = watchdog
        self._server_url = server_url
        self._tuning = tuning
        self._hooks = hooks
        self._bot = hooked_bot
        self._outbox = outbox
        self._caches = caches
        self._undelivered = undelivered
        self._next_poll = next_poll
        self._on_disk_failure = on_disk_failure

    def carry_out(self, raw: Dict[str, Any]) -> Outcome:
        """Do the run that a poll was answered with. Whatever goes wrong ends the run, never the bot.

        Raises BadManifest only when not even the run's id is there to report on.
        """
        run_id = run_id_of(raw)
        output = Output(self._folder.path)
        cost_usd_hour = self._tuning().cost_usd_hour
        report = Report(self._server, self._stop, self._undelivered, run_id, output, cost_usd_hour)
        folder = self._folder.run_folder(run_id)
        course = _Course()
        self._bot.run_id = run_id
        try:
            self._do(raw, report, output, folder, course)
        except ServerAway as error:
            course.failure = str(error)
            course.is_told = False
            log.error("run_given_up run_id=%s error=%s", run_id, error)
        except InputsNotFetched as error:
            log.warning("run_not_possible run_id=%s error=%s", run_id, error)
            course.ending = _ended_by_fault(error, output)
            self._report_failure(report, run_id, Failure(str(error), error.missing), is_refused=False)
        except Exception as error:
            failure = self._failure_of(error)
            course.failure = failure.message
            is_foreseen = isinstance(error, BotError) or failure.try_elsewhere
            log.error("run_failed run_id=%s error=%s", run_id, error, exc_info=not is_foreseen)
            self._report_failure(report, run_id, failure, is_refused=isinstance(error, Refused))
        finally:
            try:
                output.close()
                self._clean_up(folder, course)
            except OSError as error:  # a full disk, say; the outcome matters more, and what is left is swept later
                log.warning("run_not_cleaned_up run_id=%s error=%s", run_id, error)
            self._bot.run_id = None
        return Outcome(course.is_told, course.next_reply)

    def _failure_of(self, error: Exception) -> Failure:
        reason = str(error) if isinstance(error, DiskFailure) else disk_failure(error)
        if reason is None:
            return Failure(str(error) if isinstance(error, BotError) else traceback.format_exc())
        self._on_disk_failure(reason)
        return Failure(reason, try_elsewhere=True)

    def _do(self, raw: Dict[str, Any], report: Report, output: Output, folder: str, course: _Course) -> None:
        manifest = course.manifest = parse_manifest(raw)
        report.ping_tolerance = manifest.ping_tolerance
        preparation = Preparation(manifest, folder, self._server_url, self._bot, self._hooks, self._caches)
        if not report.confirm(meanwhile=lambda: None if preparation.takes_time else preparation.do()):
            report.canceled()
            return
        environment: Optional[Environment] = None
        try:
            if preparation.takes_time:
                environment = prepare_slowly(preparation, lambda: self._update(report), self._stop)
                if environment is None and not self._stop.requested:
                    report.canceled()
                    return
            if self._stop.requested:
                course.failure = TERMINATED_MESSAGE
                report.failed(Failure(TERMINATED_MESSAGE))
                return
            environment = environment or preparation.result()
            ending = self._run_process(environment, folder, manifest, report, output)
        except TaskAtFault as error:
            ending = _ended_by_fault(error, output)
        course.ending = ending
        self._report_end(report, ending, preparation, folder, course)
        log.info("run_finished run_id=%s exit_code=%d", manifest.run_id, ending.exit_code)

    def _run_process(
        self, environment: Environment, folder: str, manifest: Manifest, report: Report, output: Output
    ) -> Ending:
        with self._watchdog.guard(folder, report.ours_until, silent_grace(manifest)) as guard:
            # From here on the watchdog ends what starts too late, so it is looked at after it knows.
            if boot_seconds() >= report.ours_until:
                raise ServerAway("the server was not heard for longer than the run's ping tolerance")
            report.on_heard = guard.extend
            process = Process(environment.command, environment.cwd, environment.variables, folder)
            guard.leads(process.pid)
            ending = self._watch(process, manifest, report, output, guard)
            if guard.has_stopped() and ending.cause not in (Cause.MUST_STOP, Cause.BOT_STOPS):
                log.warning("run_stopped_by_watchdog run_id=%s", manifest.run_id)
                return replace(ending, cause=Cause.SERVER_SILENT)
            return ending

    def _watch(self, process: Process, manifest: Manifest, report: Report, output: Output, guard: Guard) -> Ending:
        def send() -> bool:
            try:
                return self._update(report)
            except ServerAway:
                guard.asked_to_end()
                raise

        sender = Sender(send, self._stop.wake)
        try:
            self._folder.remember(process.pid, manifest.run_id)
            log.info("run_started run_id=%s pid=%d", manifest.run_id, process.pid)
            ending = Supervision(process, manifest, output, sender, self._stop).run()
        finally:
            process.end()
            self._folder.forget()
            report.is_ending = True
            sender.finish()
        # After a silence the final report is still tried; after a refusal the run has failed.
        if sender.error is not None and not isinstance(sender.error, ServerAway):
            raise sender.error
        if ending.cause is Cause.OUTPUT_LOST:
            reason = disk_failure(output.failure) or f"the bot could not keep the output: {output.failure}"
            raise DiskFailure(reason) from output.failure
        return ending

    def _update(self, report: Report) -> bool:
        self._outbox.deliver()  # what hooks had to say while the connection was busy
        return report.progress()

    def _report_end(
        self, report: Report, ending: Ending, preparation: Preparation, folder: str, course: _Course
    ) -> None:
        stats = self._take_back_caches(preparation, folder)
        if ending.cause is Cause.BOT_STOPS:
            course.failure = TERMINATED_MESSAGE
            report.failed(Failure(TERMINATED_MESSAGE))
        elif ending.cause is Cause.SERVER_SILENT:
            course.failure = ending.cause.value
            report.given_up()
            course.is_told = False
        else:
            # Caches are tidied after their run, which may take seconds: no other run is to wait for that.
            next_poll = None if preparation.manifest.caches else self._next_poll()
            course.next_reply = report.finished(ending, lambda: _remove_quietly(folder), stats, next_poll)

    def _take_back_caches(self, preparation: Preparation, folder: str) -> Dict[str, Any]:
        if not preparation.manifest.caches:
            return {}
        begun = time.monotonic()
        self._caches.take_back(task_folder_of(folder))
        uninstall = {"duration": time.monotonic() - begun}
        return {"named_caches_stats": {"install": {"duration": preparation.lending_seconds}, "uninstall": uninstall}}

    def _report_failure(self, report: Report, run_id: str, failure: Failure, *, is_refused: bool) -> None:
        try:
            if is_refused:
                # The server does not take updates of this run; it may still take the reason.
                self._server.task_error(run_id, failure, report.ping_tolerance)
            else:
                report.failed(failure)
        except BotError as second:
            log.error("run_failure_not_reported run_id=%s error=%s", run_id, second)

    def _clean_up(self, folder: str, course: _Course) -> None:
        """Leave nothing of the run but its caches, and tell the hooks that it is over."""
        has_caches = course.manifest is not None and bool(course.manifest.caches)
        if has_caches:
            self._caches.take_back(task_folder_of(folder))
        if not remove_tree(folder):
            log.warning("run_folder_left path=%s", folder)
        if self._hooks.has("on_after_task"):
            exit_code = course.ending.exit_code if course.ending is not None else 0
            dimensions = course.manifest.dimensions if course.manifest is not None else {}
            arguments = (exit_code != 0, course.failure is not None, dimensions, course.summary())
            self._hooks.tell("on_after_task", self._bot, *arguments)
        if has_caches:
            self._caches.tidy()


def _ended_by_fault(error: BotError, output: Output) -> Ending:
    """The task's fault is told to people in its output."""
    output.append(f"swarming_bot: {error}\n".encode("utf-8", "replace"))
    return Ending(1, 0.0, Cause.ITSELF)


def _remove_quietly(folder: str) -> None:
    # Removed while the server takes the last update; whatever is left is tried again afterwards.
    with contextlib.suppress(OSError):
        remove_tree(folder)
