"""Everything between the server's yes to a run and the start of its process."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any, Callable, Dict, Optional

from swarming_bot.caches import NamedCaches
from swarming_bot.environment import Environment, prepare_environment
from swarming_bot.errors import Interrupted
from swarming_bot.heartbeats import Heartbeats
from swarming_bot.hooked_bot import HookedBot
from swarming_bot.hooks import Hooks
from swarming_bot.manifest import Manifest
from swarming_bot.stop import Stop


class Preparation:
    """Prepares one run, and keeps what went wrong away from the connection it may share its time with."""

    def __init__(
        self,
        manifest: Manifest,
        folder: str,
        server_url: str,
        bot: HookedBot,
        hooks: Hooks,
        caches: NamedCaches,
    ) -> None:
        self.manifest = manifest
        self.lending_seconds = 0.0
        self._folder = folder
        self._server_url = server_url
        self._bot = bot
        self._hooks = hooks
        self._caches = caches
        self._environment: Optional[Environment] = None
        self._error: Optional[Exception] = None

    @property
    def takes_time(self) -> bool:
        """Whether it is more than a few folders, so that the server should hear of the run meanwhile."""
        return bool(self.manifest.inputs or self.manifest.caches) or self._hooks.has("on_before_task")

    def do(self, goes_on: Callable[[], bool] = lambda: True) -> None:
        """Prepare. goes_on: asked now and then; once it says no, `result` raises Interrupted."""
        try:
            base = self._variables_of_hooks()
            self._environment = prepare_environment(
                self.manifest,
                self._folder,
                self._server_url,
                self._bot.id,
                base,
                lambda task_folder: self._fill(task_folder, goes_on),
                lambda: {"dimensions": self._bot.dimensions, "state": self._bot.state},
            )
        except Exception as error:  # raised again by result()
            self._error = error

    def result(self) -> Environment:
        """What was prepared. Raises what went wrong."""
        if self._environment is None and self._error is None:
            self.do()
        if self._error is not None:
            raise self._error
        assert self._environment is not None
        return self._environment

    def _variables_of_hooks(self) -> Optional[Dict[str, str]]:
        """The variables that on_before_task changed; the task's own win over them.

        Upstream's bot has a task runner, a program that hooks may give further arguments; ours has none, so that list
        goes nowhere.
        """
        if not self._hooks.has("on_before_task"):
            return None
        variables: Dict[str, Any] = dict(os.environ)  # a hook may put in anything
        self._hooks.tell("on_before_task", self._bot, self._bot.bot_file, [], variables)
        return {str(name): str(value) for name, value in variables.items() if value is not None}

    def _fill(self, task_folder: str, goes_on: Callable[[], bool]) -> None:
        if self.manifest.inputs:
            _fetch_all(self.manifest, task_folder, self._folder, goes_on)
        if not goes_on():
            raise Interrupted
        begun = time.monotonic()
        if self.manifest.caches:
            self._caches.lend(self.manifest.caches, task_folder)
        self.lending_seconds = time.monotonic() - begun


def _fetch_all(manifest: Manifest, task_folder: str, scratch_folder: str, goes_on: Callable[[], bool]) -> None:
    # Apart from the process, which has its whole hard timeout however long its inputs took.
    until = time.monotonic() + manifest.hard_timeout if manifest.hard_timeout else float("inf")
    # Few tasks have inputs; what fetches them takes longer to import than the rest of the bot.
    from swarming_bot.inputs import fetch_and_unpack

    for number, wanted in enumerate(manifest.inputs):
        fetch_and_unpack(wanted, task_folder, os.path.join(scratch_folder, f"input-{number}.zip"), goes_on, until)


def prepare_slowly(preparation: Preparation, update: Callable[[], bool], stop: Stop) -> Optional[Environment]:
    """Prepare while the server is told that the run lives; None when the run is not wanted any more, or the bot stops.

    update: sends one update, says whether the run must stop. What it or the preparation raises is raised.
    """
    with Heartbeats(update) as heartbeats:
        preparation.do(lambda: heartbeats.go_on and not stop.requested)
    if heartbeats.error is not None:
        raise heartbeats.error
    if heartbeats.must_stop or stop.requested:
        return None
    with contextlib.suppress(Interrupted):
        return preparation.result()
    return None
