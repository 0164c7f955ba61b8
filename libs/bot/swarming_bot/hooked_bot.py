"""What a hook is given as `bot`."""

from __future__ import annotations

import copy
import os
from typing import Any, Callable, Dict, List, Optional


class HookedBot:
    """The bot as its hooks see it. Everything is a copy; what the methods ask for happens after the hook has returned.

    id: the bot's id
    server: the server's URL, without a trailing slash
    server_version: what the server called its version at the last handshake, or None
    base_dir: the bot's folder
    bot_file: the zip that the bot runs from, or None
    settings: what the bot was started with, and get_settings changed
    dimensions: in get_dimensions what the bot says without that hook, elsewhere what it says
    state: in get_state what the bot says without that hook, elsewhere what it said last
    run_id: the run under way, or None
    """

    def __init__(
        self,
        bot_id: str,
        server_url: str,
        base_dir: str,
        bot_file: Optional[str],
        post: Callable[[str, str], None],
        restart: Callable[[str], None],
        reboot: Callable[[str], None],
    ) -> None:
        self.id = bot_id
        self.server = server_url
        self.server_version: Optional[str] = None
        self.base_dir = base_dir
        self.bot_file = bot_file
        self.run_id: Optional[str] = None
        self._settings: Dict[str, Any] = {}
        self._dimensions: Dict[str, List[str]] = {}
        self._state: Dict[str, Any] = {}
        self._post = post
        self._restart = restart
        self._reboot = reboot

    @property
    def settings(self) -> Dict[str, Any]:
        return copy.deepcopy(self._settings)

    @property
    def dimensions(self) -> Dict[str, List[str]]:
        return copy.deepcopy(self._dimensions)

    @property
    def state(self) -> Dict[str, Any]:
        return copy.deepcopy(self._state)

    @property
    def swarming_bot_zip(self) -> Optional[str]:
        """Upstream's name for bot_file."""
        return self.bot_file

    def post_event(self, event_type: str, message: str) -> None:
        """Tell the server: bot_error, bot_log, bot_rebooting or bot_shutdown."""
        self._post(event_type, message)

    def post_error(self, message: str) -> None:
        """Tell the server of something that went wrong."""
        self._post("bot_error", message)

    def bot_restart(self, message: str) -> None:
        """Start the bot over once it has nothing to do: hooks are read anew, and a new session is opened.

        A bot that runs from a zip does so in a new process.
        """
        self._restart(message)

    def host_reboot(self, message: str) -> None:
        """Reboot the machine once the bot has nothing to do, if it was allowed to; else this is only logged."""
        self._reboot(message)

    def knows(
        self,
        dimensions: Optional[Dict[str, List[str]]] = None,
        state: Optional[Dict[str, Any]] = None,
        settings: Optional[Dict[str, Any]] = None,
    ) -> None:
        """For the bot itself: what the hooks are shown from now on."""
        self._dimensions = self._dimensions if dimensions is None else dimensions
        self._state = self._state if state is None else state
        self._settings = self._settings if settings is None else settings


def bot_file() -> Optional[str]:
    """The zip that this code runs from; None when it is installed."""
    above = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    return above if os.path.isfile(above) else None
