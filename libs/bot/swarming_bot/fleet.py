"""Run several bots in one process, a thread each."""

from __future__ import annotations

import threading
import time
from typing import Callable, List, Optional, Sequence

from swarming_bot.bot import Bot
from swarming_bot.settings import BotSettings
from swarming_bot.version import code_version
from swarming_bot.watchdog_link import Watchdog

THREAD_STACK_BYTES = 1024 * 1024  # instead of 8 MiB of address space for each of hundreds of threads


class Fleet:
    """The bots of one process. `on_end` is called by each bot's thread when that bot has ended."""

    def __init__(self, settings: Sequence[BotSettings], on_end: Callable[[], None] = lambda: None) -> None:
        version = code_version()
        self._watchdog = Watchdog()
        self._bots = [Bot(one, version, self._watchdog) for one in settings]
        self._on_end = on_end
        self._threads: List[threading.Thread] = []
        self._lock = threading.Lock()
        self._alive = len(self._bots)
        self.has_failed = False  # a bot ended by a mistake of ours

    def start(self) -> None:
        """Start every bot, or none: raises BotError or OSError when a work folder is not to be had."""
        try:
            for bot in self._bots:
                bot.prepare()
        except BaseException:
            for bot in self._bots:
                bot.abandon()
            raise
        self._watchdog.start()
        previous = threading.stack_size(THREAD_STACK_BYTES)
        try:
            for bot in self._bots:
                thread = threading.Thread(target=self._serve, args=(bot,), name=bot.bot_id, daemon=True)
                self._threads.append(thread)
                thread.start()
        finally:
            threading.stack_size(previous)

    def stop(self) -> None:
        """Ask every bot to stop; a running task is ended and reported. Returns at once."""
        for bot in self._bots:
            bot.stop.request()

    @property
    def is_alive(self) -> bool:
        """Whether any bot has not ended; already right when `on_end` is called."""
        return self._alive > 0

    @property
    def wants_new_process(self) -> bool:
        """Whether a bot ended so that it is started again in another process."""
        return any(bot.wants_new_process for bot in self._bots)

    def join(self, timeout: Optional[float] = None) -> bool:
        """Wait for all bots to end, at most so many seconds if given; say whether they have."""
        deadline = None if timeout is None else time.monotonic() + timeout
        for thread in self._threads:
            thread.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return not self.is_alive

    def _serve(self, bot: Bot) -> None:
        try:
            bot.run()
        except BaseException:
            self.has_failed = True
            raise
        finally:
            with self._lock:
                self._alive -= 1
                if not self._alive:
                    self._watchdog.close()
            self._on_end()
