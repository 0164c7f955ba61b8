"""Hooks: functions of a module bot_config with which the people who run bots adapt them.

There may be two such modules: the bot's own, a file, and one that the server's handshake brings. Of a hook that
answers (get_…) the server's wins; of one that is told (on_…, setup_bot) both run, the bot's own first. Whatever a
hook raises is kept as a reason for quarantine until that hook works again; it never reaches the caller.
"""

from __future__ import annotations

import inspect
import linecache
import logging
import sys
import time
import traceback
import types
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional, Tuple, TypeVar

log = logging.getLogger(__name__)

ANSWERING_HOOKS = ("get_dimensions", "get_state", "get_settings", "get_authentication_headers")
STARTING_HOOKS = ("setup_bot", "on_bot_startup", "on_handshake")
TASK_HOOKS = ("on_before_task", "on_after_task")
HOOKS = (
    *ANSWERING_HOOKS, *STARTING_HOOKS, *TASK_HOOKS,
    "on_before_poll", "on_after_poll", "on_bot_idle", "on_bot_shutdown",
)  # fmt: skip

# What is called between the end of a task and the answer to the next poll.
BETWEEN_TASKS_HOOKS = ("on_after_task", "on_before_poll", "get_dimensions", "get_state", "on_after_poll")

# What runs once at a start is tried again so often, until it works.
STARTING_HOOK_PAUSE_SECONDS = 60.0
# A quarantined bot has no tasks. So that a task hook can work again, it is trusted with one after a while.
TASK_HOOK_PAUSE_SECONDS = 300.0
LONGEST_TASK_HOOK_PAUSE_SECONDS = 3600.0
LONGEST_TRACEBACK = 8000  # characters; the end tells most

OWN = "bot's own"
SERVERS = "server's"

Answer = TypeVar("Answer")


def load_hooks(source: str, name: str) -> Dict[str, Hook]:
    """The hooks that a source text defines. Raises whatever the text raises, SyntaxError for one.

    name: what tracebacks call the source.
    """
    module = types.ModuleType("bot_config")
    module.__file__ = name
    code = compile(source, name, "exec", dont_inherit=True)
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)
    sys.modules[module.__name__] = module  # dataclasses look their module up
    exec(code, module.__dict__)
    found = {hook: getattr(module, hook, None) for hook in HOOKS}
    return {hook: Hook(function) for hook, function in found.items() if callable(function)}


class Hook:
    """A function of people's, called with as many arguments as it takes."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._most = _positional_arguments(function)

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*(arguments if self._most is None else arguments[: self._most]))


@dataclass
class _Failure:
    """What a hook raised, and when it was last tried."""

    text: str
    tried_at: float  # monotonic seconds
    times: int


class Hooks:
    """The hooks of one bot; called by its thread alone, but for get_authentication_headers.

    That one is called by whichever thread speaks to the server, also while another hook works: an hour in
    on_before_task must not cost the run, whose life is told meanwhile. Never twice at once: Authentication sees to it.

    report: given the text of each new failure.
    """

    def __init__(self, report: Callable[[str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._layers: Dict[str, Dict[str, Hook]] = {OWN: {}, SERVERS: {}}
        self._sources: Dict[str, Optional[str]] = {OWN: None, SERVERS: None}
        self._failures: Dict[Tuple[str, str], _Failure] = {}

    def load(self, layer: str, source: Optional[str], name: str) -> bool:
        """Take the hooks of a layer from this source, none from None; say whether it is another than before."""
        if source == self._sources[layer]:
            return False
        self._sources[layer] = source
        self._layers[layer] = {}
        for key in [key for key in self._failures if key[0] == layer]:
            del self._failures[key]
        if source is not None:
            try:
                self._layers[layer] = load_hooks(source, name)
            except BaseException as error:  # no signal raises anything in a bot's thread: it is theirs
                self._failed(layer, "source", error)
        return True

    def has(self, hook: str) -> bool:
        """Whether anybody wants to hear of this."""
        return any(hook in hooks for hooks in self._layers.values())

    def ask(self, hook: str, read: Callable[[Any], Answer], bot: Any) -> Optional[Answer]:
        """The hook's answer; None when there is no such hook, or it raised. read: checks the answer, may raise."""
        for layer in (SERVERS, OWN):
            if hook in self._layers[layer]:
                return self._answer(layer, hook, read, bot)
        return None

    def tell(self, hook: str, *arguments: Any, layers: Tuple[str, ...] = (OWN, SERVERS)) -> List[Any]:
        """Call the hook wherever it is defined; what the calls returned."""
        called = [(layer, self._layers[layer][hook]) for layer in layers if hook in self._layers[layer]]
        return [self._call(layer, hook, function, *arguments) for layer, function in called]

    def retry(self, bot: Any) -> None:
        """Try again what failed and is called seldom. To be called before each poll."""
        now = self._clock()
        for (layer, hook), failure in list(self._failures.items()):
            since = now - failure.tried_at
            if hook in STARTING_HOOKS and since >= STARTING_HOOK_PAUSE_SECONDS:
                self.tell(hook, bot, layers=(layer,))
            elif hook in TASK_HOOKS and since >= _task_hook_pause(failure.times):
                failure.text = ""  # out of quarantine, on trial

    @property
    def have_failed(self) -> bool:
        """Whether one is to be tried again, or failed when it was called last."""
        return bool(self._failures)

    @property
    def problem(self) -> Optional[str]:
        """Why the bot is in quarantine because of its hooks; None if it is not."""
        failures = list(self._failures.values())  # which another thread may change
        return "\n".join(failure.text for failure in failures if failure.text) or None

    def _answer(self, layer: str, hook: str, read: Callable[[Any], Answer], bot: Any) -> Optional[Answer]:
        function = self._layers[layer][hook]
        answer: Optional[Answer] = self._call(layer, hook, lambda: read(function(bot)))
        return answer

    def _call(self, layer: str, hook: str, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            answer = function(*arguments)
        except BaseException as error:  # SystemExit, asyncio.CancelledError and the like are failures as well
            self._failed(layer, hook, error)
            return None
        if self._failures.pop((layer, hook), None) is not None:
            log.warning("hook_works_again hook=%s layer=%s", hook, layer)
        return answer

    def _failed(self, layer: str, hook: str, error: BaseException) -> None:
        trace = "".join(traceback.format_exception(type(error), error, _without_ours(error.__traceback__)))
        what = "bot_config cannot be loaded" if hook == "source" else f"{hook} raised"
        text = f"The {layer} {what}:\n{trace[-LONGEST_TRACEBACK:]}"
        known = self._failures.get((layer, hook))
        self._failures[layer, hook] = _Failure(text, self._clock(), 1 if known is None else known.times + 1)
        if known is None:
            log.error("hook_failed hook=%s layer=%s error=%r", hook, layer, error)
            self._report(text)


def _task_hook_pause(times: int) -> float:
    return min(TASK_HOOK_PAUSE_SECONDS * 2.0 ** min(times - 1, 10), LONGEST_TASK_HOOK_PAUSE_SECONDS)


def _positional_arguments(function: Callable[..., Any]) -> Optional[int]:
    """How many arguments it takes by position; None for any number."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    return sum(one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) for one in parameters)


def _without_ours(trace: Optional[types.TracebackType]) -> Optional[types.TracebackType]:
    """The part of a traceback that is in the hooks' source: it is what their author wants to see."""
    part = trace
    while part is not None and part.tb_frame.f_globals.get("__name__", "").startswith("swarming_bot"):
        part = part.tb_next
    return part
