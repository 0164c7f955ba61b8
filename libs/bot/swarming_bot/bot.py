"""One bot: open a session, ask for commands, obey them, until it is told to stop."""

from __future__ import annotations

import logging
import math
import traceback
import uuid
from typing import Callable, Dict, Optional

from swarming_bot.calls import Calls, Json
from swarming_bot.connection import Connection
from swarming_bot.errors import BotError, Refused, ServerAway
from swarming_bot.identity import Identity
from swarming_bot.log_levels import NOTICE
from swarming_bot.manifest import run_id_of
from swarming_bot.retry_delay import poll_delay
from swarming_bot.run import Runs
from swarming_bot.server import Server
from swarming_bot.settings import BotSettings
from swarming_bot.state import MachineState
from swarming_bot.stop import Stop
from swarming_bot.work_folder import WorkFolder

log = logging.getLogger(__name__)

USER_AGENT_VERSION = "1.0.0"
# After a command this bot cannot carry out yet: the server will say the same again.
UNSUPPORTED_PAUSE_SECONDS = 10.0
LONGEST_SLEEP_SECONDS = 300.0


class Bot:
    """A bot with a connection and a folder of its own; `run` is called once and occupies its thread."""

    def __init__(self, settings: BotSettings, version: str) -> None:
        self.bot_id = settings.bot_id
        self.stop = Stop()
        self._folder = WorkFolder(settings.work_folder)
        state = MachineState(self._folder.path, settings.cost_usd_hour)
        self._identity = Identity(settings.bot_id, version, settings.dimensions, state)
        headers = {
            "User-Agent": f"swarming_bot/{USER_AGENT_VERSION}@{settings.host_name}",
            "X-Luci-Swarming-Bot-ID": settings.bot_id,
        }
        self._connection = Connection(settings.server_url, headers)
        self.stop.on_request = self._connection.interrupt
        self._server = Server(Calls(self._connection, self.stop), self._identity)
        self._runs = Runs(
            self._server,
            self._folder,
            self.stop,
            settings.bot_id,
            settings.server_url,
            settings.cost_usd_hour,
        )
        self._request_uuid = str(uuid.uuid4())
        self._has_session = False
        self._was_connected = False
        self._failures = 0  # polls and handshakes in a row
        self._restarts = 0  # in a row
        self._goodbye: Optional[str] = None
        self._commands: Dict[str, Callable[[Json], None]] = {
            "sleep": self._sleep,
            "run": self._run,
            "terminate": self._terminate,
            "update": self._update,
            "bot_restart": self._restart,
            "host_reboot": self._reboot,
            "restart": self._reboot,
        }

    def prepare(self) -> None:
        """Take the work folder. Raises BotError when another process has it, OSError when there is none."""
        self._folder.take()

    def abandon(self) -> None:
        """Let go of the work folder and of what wakes the bot; it will not run any more."""
        self._folder.release()
        self.stop.close()

    def run(self) -> None:
        """Serve until told to terminate or to stop; nothing that happens on the way ends the bot."""
        try:
            while self._goodbye is None and not self.stop.requested:
                try:
                    self._turn()
                except Exception as error:
                    self._report_surprise(error)
            self._say_goodbye()
        finally:
            self._connection.close()
            self.abandon()

    def _turn(self) -> None:
        """One handshake if there is no session, or one poll and what it asks for."""
        try:
            if not self._has_session:
                self._server.handshake()
                self._has_session = True
                self._note_handshake()
            reply = self._server.poll(self._request_uuid)
            command = self._commands.get(reply["cmd"])
            if command is None:
                raise ServerAway(f"poll: an unknown command {reply['cmd']!r}")
            _check_fields(reply)
        except BotError as error:
            self._wait_for_server(error)
            return
        self._note_poll()
        self._request_uuid = str(uuid.uuid4())
        if reply["cmd"] != "sleep":
            self._identity.sleep_streak = 0
        if reply["cmd"] != "bot_restart":
            self._restarts = 0
        command(reply)

    def _sleep(self, reply: Json) -> None:
        self._identity.sleep_streak += 1
        self.stop.wait(min(float(reply["duration"]), LONGEST_SLEEP_SECONDS))

    def _run(self, reply: Json) -> None:
        # Not confirmed by an update, the run goes to another bot and loses nothing.
        if not self.stop.requested:
            self._runs.carry_out(reply["manifest"])

    def _terminate(self, reply: Json) -> None:
        log.info("bot_terminating bot_id=%s", self.bot_id)
        self._goodbye = "Terminated by the server"
        self._server.task_update(reply["task_id"], {"exit_code": 0, "duration": 0})

    def _update(self, reply: Json) -> None:
        # Until the bot can update itself: it goes on asking, so that it is seen and can be terminated.
        log.warning("bot_update_unsupported bot_id=%s version=%s", self.bot_id, reply.get("version"))
        self.stop.wait(UNSUPPORTED_PAUSE_SECONDS)

    def _restart(self, reply: Json) -> None:
        log.info("bot_restarting bot_id=%s reason=%s", self.bot_id, reply.get("message"))
        self._has_session = False
        self._restarts += 1
        self.stop.wait(poll_delay(self._restarts))

    def _reboot(self, reply: Json) -> None:
        log.warning("host_reboot_unsupported bot_id=%s reason=%s", self.bot_id, reply.get("message"))
        self.stop.wait(UNSUPPORTED_PAUSE_SECONDS)

    def _wait_for_server(self, error: BotError) -> None:
        if self.stop.requested:
            return
        if isinstance(error, Refused):
            # Perhaps it is our session that it does not like. The poll's uuid stays: an answer that was lost
            # is given again.
            self._has_session = False
        self._failures += 1
        if self._failures == 2:  # the first is often no more than a replica going down
            log.warning("server_lost bot_id=%s error=%s", self.bot_id, error)
        else:
            log.debug("poll_failed bot_id=%s failures=%d error=%s", self.bot_id, self._failures, error)
        self.stop.wait(poll_delay(self._failures))

    def _note_handshake(self) -> None:
        level = logging.INFO if self._was_connected else NOTICE
        log.log(level, "bot_connected bot_id=%s", self.bot_id)
        self._was_connected = True

    def _note_poll(self) -> None:
        if self._failures >= 2:
            log.warning("server_back bot_id=%s failures=%d", self.bot_id, self._failures)
        self._failures = 0

    def _report_surprise(self, error: Exception) -> None:
        log.exception("bot_error bot_id=%s", self.bot_id)
        self._tell("bot_error", "".join(traceback.format_exception(type(error), error, error.__traceback__)))
        self._failures += 1
        self.stop.wait(poll_delay(self._failures))

    def _say_goodbye(self) -> None:
        if self._was_connected:
            self._tell("bot_shutdown", self._goodbye or "The bot was asked to stop")
        log.log(NOTICE, "bot_stopped bot_id=%s", self.bot_id)

    def _tell(self, event: str, message: str) -> None:
        try:
            self._server.event(event, message)
        except BotError as error:
            log.warning("event_not_delivered bot_id=%s event=%s error=%s", self.bot_id, event, error)


def _check_fields(reply: Json) -> None:
    """A reply that lacks what its command needs is a failed poll (bot-api.md section 4)."""
    command = reply["cmd"]
    if command == "run":
        run_id_of(reply.get("manifest"))
    elif command == "terminate":
        run_id_of(reply)
    elif command == "sleep":
        duration = reply.get("duration")
        is_number = isinstance(duration, (int, float)) and math.isfinite(duration)
        if not is_number or float(duration or 0) < 0:
            raise ServerAway(f"poll: a sleep of {duration!r} s")
