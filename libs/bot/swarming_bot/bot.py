"""One bot: a folder, a way to stop it, and one life after another until one ends for good."""

from __future__ import annotations

import logging

from swarming_bot.life import Life
from swarming_bot.log_levels import NOTICE
from swarming_bot.settings import BotSettings
from swarming_bot.stop import Stop
from swarming_bot.watchdog_link import Watchdog
from swarming_bot.work_folder import WorkFolder

log = logging.getLogger(__name__)


class Bot:
    """A bot with a connection and a folder of its own; `run` is called once and occupies its thread."""

    def __init__(self, settings: BotSettings, version: str, watchdog: Watchdog) -> None:
        self.bot_id = settings.bot_id
        self.stop = Stop()
        self.wants_new_process = False  # it ended so that its supervisor starts it again, perhaps with other code
        self._settings = settings
        self._has_supervisor = settings.updates is not None
        self._version = version
        self._watchdog = watchdog
        self._folder = WorkFolder(settings.work_folder)

    def prepare(self) -> None:
        """Take the work folder. Raises BotError when another process has it, OSError when there is none."""
        self._folder.take()

    def abandon(self) -> None:
        """Let go of the work folder and of what wakes the bot; it will not run any more."""
        self._folder.release()
        self.stop.close()

    def run(self) -> None:
        """Serve until told to terminate or to stop; nothing that happens on the way ends the bot."""
        restarts = 0  # in a row, each before a poll was answered with anything else
        try:
            while True:
                life = Life(self._settings, self._version, self._folder, self.stop, self._watchdog, restarts)
                ending = life.live()
                self.wants_new_process = ending.is_update or (ending.starts_over and self._has_supervisor)
                if self.wants_new_process or not ending.starts_over:
                    break
                log.log(NOTICE, "bot_restarting bot_id=%s reason=%s", self.bot_id, ending.reason)
                restarts = life.restarts_in_a_row + 1
                self._folder.sweep()
            log.log(NOTICE, "bot_stopped bot_id=%s reason=%s", self.bot_id, ending.reason)
        finally:
            self.abandon()
