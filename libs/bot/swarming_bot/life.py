"""A bot from one start to the next: open a session, ask for commands, obey them."""

from __future__ import annotations

import logging
import time
import traceback
import uuid
from dataclasses import dataclass
from typing import Callable, Dict, Optional

from swarming_bot.authentication import Authentication, Headers, read_headers
from swarming_bot.caches import NamedCaches
from swarming_bot.calls import Calls, Json
from swarming_bot.code_updates import UpdateFailed
from swarming_bot.connection import Connection
from swarming_bot.errors import BotError, Refused, ServerAway, Superseded
from swarming_bot.hooked_bot import HookedBot, bot_file
from swarming_bot.hooks import BETWEEN_TASKS_HOOKS, OWN, SERVERS, Hooks
from swarming_bot.hooks_file import source_of
from swarming_bot.identity import Identity
from swarming_bot.log_levels import NOTICE
from swarming_bot.outbox import Outbox
from swarming_bot.periodic_restart import restart_after
from swarming_bot.poll_reply import check_fields
from swarming_bot.process_tree import collect_orphans
from swarming_bot.reboot import PATIENCE_SECONDS, reboot_machine
from swarming_bot.retry_delay import poll_delay, superseded_delay
from swarming_bot.run import Runs
from swarming_bot.server import Server
from swarming_bot.settings import BotSettings
from swarming_bot.state import MachineState
from swarming_bot.stop import Stop
from swarming_bot.tuned import Tuned
from swarming_bot.undelivered import Undelivered
from swarming_bot.watchdog_link import Watchdog
from swarming_bot.work_folder import WorkFolder

log = logging.getLogger(__name__)

USER_AGENT_VERSION = "1.0.0"
# After a command this bot cannot carry out yet: the server will say the same again.
UNSUPPORTED_PAUSE_SECONDS = 10.0
LONGEST_SLEEP_SECONDS = 300.0


@dataclass(frozen=True)
class LifeEnding:
    """Why a life ended, and whether another follows."""

    reason: str
    starts_over: bool
    is_update: bool = False  # other code follows


class Life:
    """What a bot has from one start to the next; `live` is called once.

    restarts: how many lives in a row came before that did nothing but start over.
    """

    def __init__(
        self,
        settings: BotSettings,
        version: str,
        folder: WorkFolder,
        stop: Stop,
        watchdog: Watchdog,
        restarts: int,
    ) -> None:
        self.restarts_in_a_row = restarts
        self._settings = settings
        self._bot_id = settings.bot_id
        self._folder = folder
        self._stop = stop
        self._watchdog = watchdog
        self._wishes: Dict[str, str] = {}  # "restart" or "reboot", and why
        self._outbox = Outbox(lambda event, message: self._server.event(event, message))
        self._bot = self._new_hooked_bot()
        self._hooks = Hooks(lambda text: self._outbox.put("bot_error", text))
        tuning = settings.tuning
        self._state = MachineState(folder.path, tuning.cost_usd_hour, tuning.lowest_free_disk_mb)
        self._caches = NamedCaches(folder.caches, tuning.cache_limits)
        self._tuned = Tuned(tuning, self._hooks, self._bot, self._state, self._caches)
        self._identity = Identity(
            settings.bot_id,
            version,
            settings.dimensions,
            self._state,
            self._hooks,
            self._bot,
            lambda: self._caches.names,
        )
        self._updates = settings.updates
        self._failed_updates = 0  # in a row
        if self._updates is not None:
            self._identity.describe_code = self._updates.describe
        self._authentication = Authentication(self._ask_for_headers)
        self._connection = self._new_connection()
        self._server = Server(Calls(self._connection, stop), self._identity)
        self._undelivered = Undelivered(folder.undelivered)
        self._runs = self._new_runs()
        self._began = time.monotonic()
        self._last_action = self._began
        self._request_uuid = str(uuid.uuid4())
        self._next_reply: Optional[Json] = None  # to the poll that the last update of a run carried
        self._has_session = False
        self._was_connected = False
        self._failures = 0  # polls and handshakes in a row
        self._surprises = 0  # errors that nobody foresaw, in a row
        self._refusals_as_superseded = 0  # in a row
        self._ending: Optional[LifeEnding] = None
        self._commands: Dict[str, Callable[[Json], None]] = {
            "sleep": self._sleep,
            "run": self._run,
            "terminate": self._terminate,
            "update": self._update,
            "bot_restart": self._restart,
            "host_reboot": self._reboot,
            "restart": self._reboot,
        }

    def live(self) -> LifeEnding:
        """Serve until something ends this life."""
        try:
            self._start()
            while self._ending is None and not self._stop.requested:
                try:
                    self._turn()
                except Exception as error:
                    self._report_surprise(error)
            ending = self._ending or LifeEnding("The bot was asked to stop", starts_over=False)
            self._say_goodbye(ending)
            return ending
        finally:
            self._connection.close()

    def _new_hooked_bot(self) -> HookedBot:
        return HookedBot(
            self._bot_id,
            self._settings.server_url,
            self._folder.path,
            bot_file(),
            self._outbox.put,
            lambda message: self._wishes.update(restart=message),
            lambda message: self._wishes.update(reboot=message),
        )

    def _new_runs(self) -> Runs:
        return Runs(
            server=self._server,
            folder=self._folder,
            stop=self._stop,
            watchdog=self._watchdog,
            server_url=self._settings.server_url,
            tuning=lambda: self._tuned.tuning,
            hooks=self._hooks,
            hooked_bot=self._bot,
            outbox=self._outbox,
            caches=self._caches,
            undelivered=self._undelivered,
            next_poll=self._next_poll,
            on_disk_failure=self._state.note_disk_failure,
        )

    def _new_connection(self) -> Connection:
        headers = {
            "User-Agent": f"swarming_bot/{USER_AGENT_VERSION}@{self._settings.host_name}",
            "X-Luci-Swarming-Bot-ID": self._bot_id,
        }
        connection = Connection(self._settings.server_url, headers)
        connection.more_headers = self._authentication.lines
        self._stop.on_request = connection.interrupt
        return connection

    def _start(self) -> None:
        if self._settings.hooks_file is not None:
            self._hooks.load(OWN, source_of(self._settings.hooks_file), self._settings.hooks_file)
        self._tuned.refresh()
        if any(self._hooks.tell("setup_bot", self._bot)):
            self._wishes["reboot"] = "setup_bot asked for it"
        self._hooks.tell("on_bot_startup", self._bot)
        news = self._updates.take_news() if self._updates is not None else ""
        if news:
            self._outbox.put("bot_error", news)
        self._undelivered.deliver(self._server, self._stop)

    def _turn(self) -> None:
        """One poll, unless it was answered already, and what it asks for."""
        reply, self._next_reply = self._next_reply, None
        try:
            reply = reply or self._poll()
            if reply is None:
                return
            command = self._commands.get(reply["cmd"])
            if command is None:
                raise ServerAway(f"poll: an unknown command {reply['cmd']!r}")
            check_fields(reply)
        except BotError as error:
            self._wait_for_server(error)
            return
        self._note_poll(reply["cmd"])
        self._hooks.tell("on_after_poll", self._bot, reply["cmd"])
        command(reply)
        self._surprises = 0

    def _poll(self) -> Optional[Json]:
        """Ask for a command, after all that comes before it; None if this life is over."""
        if not self._has_session:
            self._open_session()
        if self._follow_wishes():
            return None
        self._tuned.refresh_if_due()
        self._hooks.retry(self._bot)
        self._hooks.tell("on_before_poll", self._bot)
        self._outbox.deliver()
        return self._server.poll(self._request_uuid)

    def _next_poll(self) -> Optional[Json]:
        """What the next poll would say, for the last update of a run to carry; None if something comes before it."""
        if not self._server.takes_next_poll or self._has_something_else_to_do():
            return None
        try:
            return self._server.describe_poll(self._request_uuid)
        except Exception:  # the poll will meet it too, where it is not a failure of the run
            log.exception("next_poll_left_out bot_id=%s", self._bot_id)
            return None

    def _has_something_else_to_do(self) -> bool:
        return (
            self._stop.requested
            or bool(self._wishes)
            or self._overdue() is not None
            or not self._outbox.is_empty
            or self._tuned.is_due
            or self._hooks.have_failed
            or any(self._hooks.has(hook) for hook in BETWEEN_TASKS_HOOKS)
        )

    def _open_session(self) -> None:
        answer = self._server.handshake()
        self._has_session = True
        self._refusals_as_superseded = 0
        self._bot.server_version = answer.get("server_version")
        level = logging.INFO if self._was_connected else NOTICE
        log.log(level, "bot_connected bot_id=%s", self._bot_id)
        self._was_connected = True
        source, name = answer.get("bot_config"), str(answer.get("bot_config_name") or "bot_config.py")
        if self._hooks.load(SERVERS, source if isinstance(source, str) else None, f"server's {name}"):
            self._tuned.refresh()
            self._hooks.tell("on_bot_startup", self._bot, layers=(SERVERS,))
        self._hooks.tell("on_handshake", self._bot)

    def _follow_wishes(self) -> bool:
        """Start over or reboot if that is due or wanted; say whether this life is over."""
        reboot = self._wishes.pop("reboot", None)
        if reboot is not None:
            self._reboot({"message": reboot})
        reason = self._wishes.pop("restart", None)
        if reason is None:
            reason = self._overdue()
        if reason is not None:
            self._outbox.put("bot_log", f"Restarting: {reason}")
            self._start_over(reason)
        return self._ending is not None

    def _overdue(self) -> Optional[str]:
        """Why it is time to start over; None if it is not."""
        period = self._tuned.tuning.restart_period_secs
        after = restart_after(period, self._bot_id, self._state.started_ts)
        if not period or time.monotonic() - self._began < after:
            return None
        return f"It has run for {after:.0f} s"

    def _sleep(self, reply: Json) -> None:
        self._identity.sleep_streak += 1
        collect_orphans()
        self._folder.sweep()  # what could not be removed after its run
        if self._caches.names and self._state.too_full:
            self._caches.trim()
        self._hooks.tell("on_bot_idle", self._bot, time.monotonic() - self._last_action)
        self._stop.wait(min(float(reply["duration"]), LONGEST_SLEEP_SECONDS))

    def _run(self, reply: Json) -> None:
        # Not confirmed by an update, the run goes to another bot and loses nothing.
        if not self._stop.requested:
            self._has_session, self._next_reply = self._runs.carry_out(reply["manifest"])
            if not self._has_session:
                self._identity.begin_anew()
            self._last_action = time.monotonic()

    def _terminate(self, reply: Json) -> None:
        log.info("bot_terminating bot_id=%s", self._bot_id)
        self._ending = LifeEnding("Terminated by the server", starts_over=False)
        self._server.task_update(reply["task_id"], {"exit_code": 0, "duration": 0})

    def _update(self, reply: Json) -> None:
        version = reply["version"]
        if self._updates is None:
            # Somebody else sees to its code. It goes on asking, so that it is seen and can be terminated.
            log.warning("bot_update_unsupported bot_id=%s version=%s", self._bot_id, version)
            self._stop.wait(UNSUPPORTED_PAUSE_SECONDS)
            return
        log.log(NOTICE, "bot_updating bot_id=%s version=%s", self._bot_id, version)
        try:
            self._updates.prepare(version, self._authentication.lines())
        except UpdateFailed as error:
            self._failed_updates += 1
            log.error("bot_update_failed bot_id=%s version=%s error=%s", self._bot_id, version, error)
            self._outbox.put("bot_error", f"Cannot update to {version}: {error}")
            self._stop.wait(poll_delay(self._failed_updates))
        else:
            self._ending = LifeEnding(f"Updating to {version}", starts_over=False, is_update=True)

    def _restart(self, reply: Json) -> None:
        self._start_over(f"The server said: {reply.get('message')}")

    def _start_over(self, reason: str) -> None:
        self._ending = LifeEnding(reason, starts_over=True)
        self._stop.wait(poll_delay(self.restarts_in_a_row + 1))

    def _reboot(self, reply: Json) -> None:
        reason, command = str(reply.get("message")), self._settings.reboot_command
        if not command:
            log.warning("host_reboot_not_allowed bot_id=%s reason=%s", self._bot_id, reason)
            self._stop.wait(UNSUPPORTED_PAUSE_SECONDS)
            return
        log.warning("host_rebooting bot_id=%s reason=%s", self._bot_id, reason)
        self._outbox.put("bot_rebooting", reason)
        self._outbox.deliver()
        trouble = reboot_machine(command)
        if trouble is None and not self._stop.wait(PATIENCE_SECONDS):
            trouble = f"the machine still runs after {PATIENCE_SECONDS:.0f} s"
        if trouble is not None:
            log.error("host_reboot_failed bot_id=%s error=%s", self._bot_id, trouble)
            self._outbox.put("bot_error", f"Cannot reboot: {trouble}")
            self._stop.wait(UNSUPPORTED_PAUSE_SECONDS)

    def _wait_for_server(self, error: BotError) -> None:
        if self._stop.requested:
            return
        if isinstance(error, Superseded):
            self._stay_away(error)
            return
        if isinstance(error, Refused):
            # Perhaps it is our session that it does not like. The poll's uuid stays: an answer that was lost
            # is given again.
            self._has_session = False
            self._authentication.forget()
        self._failures += 1
        if self._failures == 2:  # the first is often no more than a replica going down
            log.warning("server_lost bot_id=%s error=%s", self._bot_id, error)
        else:
            log.debug("poll_failed bot_id=%s failures=%d error=%s", self._bot_id, self._failures, error)
        self._stop.wait(poll_delay(self._failures))

    def _stay_away(self, error: Superseded) -> None:
        """Leave the bot's id to the process that took it: another handshake of ours would cost it its run.

        The old session is tried now and then: a server that has forgotten the bot answers with a restart.
        """
        self._refusals_as_superseded += 1
        delay = superseded_delay(self._refusals_as_superseded)
        log.error("bot_id_taken bot_id=%s asking_again_seconds=%.0f error=%s", self._bot_id, delay, error.reason)
        self._stop.wait(delay)

    def _note_poll(self, command: str) -> None:
        if self._failures >= 2:
            log.warning("server_back bot_id=%s failures=%d", self._bot_id, self._failures)
        self._failures = 0
        self._refusals_as_superseded = 0
        if self._updates is not None:
            self._updates.prove()
        self._request_uuid = str(uuid.uuid4())
        if command != "sleep":
            self._identity.sleep_streak = 0
            self._last_action = time.monotonic()
        if command != "bot_restart":
            self.restarts_in_a_row = 0

    def _report_surprise(self, error: Exception) -> None:
        log.exception("bot_error bot_id=%s", self._bot_id)
        trace = "".join(traceback.format_exception(type(error), error, error.__traceback__))
        self._outbox.put("bot_error", trace)
        self._outbox.deliver()
        self._surprises += 1  # apart from failed polls: a poll that succeeds may lead to the same error again
        self._stop.wait(poll_delay(self._surprises))

    def _say_goodbye(self, ending: LifeEnding) -> None:
        self._hooks.tell("on_bot_shutdown", self._bot)
        if self._was_connected:
            if not ending.starts_over:
                self._outbox.put("bot_shutdown", ending.reason)
            self._outbox.deliver()

    def _ask_for_headers(self) -> Optional[Headers]:
        return self._hooks.ask("get_authentication_headers", read_headers, self._bot)
