"""Who a bot says it is in each call: id, dimensions, state and version."""

from __future__ import annotations

import json
import os
import uuid
from typing import Any, Callable, Dict, List, Mapping, Optional

from swarming_bot.calls import Json
from swarming_bot.dimensions import DEFAULT_POOL, Dimensions, checked_dimensions
from swarming_bot.hooked_bot import HookedBot
from swarming_bot.hooks import Hooks
from swarming_bot.state import MachineState

LONGEST_CACHE_NAME = 256  # of one that can be a dimension's value


class Identity:
    """One bot as the server sees it: what it finds out, what its hooks say, and what the server forced on it.

    cache_names: the named caches that it has.
    """

    def __init__(
        self,
        bot_id: str,
        version: str,
        dimensions: Dimensions,
        state: MachineState,
        hooks: Hooks,
        hooked_bot: HookedBot,
        cache_names: Callable[[], List[str]],
    ) -> None:
        self.bot_id = bot_id
        self.session_id = _new_session_id()
        self.sleep_streak = 0  # sleeps in a row, not seconds
        self._dimensions = dimensions
        self._version = version
        self._state = state
        self._hooks = hooks
        self._hooked_bot = hooked_bot
        self._cache_names = cache_names
        self.describe_code: Callable[[], Json] = lambda: {"updates": False}
        self._config: Dict[str, Any] = {}
        self._forced: Dimensions = {}
        self._described: Optional[Json] = None

    def describe(self) -> Json:
        """The fields that handshake, poll and event share, as of now; asks the hooks."""
        dimensions = self._own_dimensions()
        state = self._own_state()
        dimensions.update(self._forced)
        dimensions["id"] = [self.bot_id]
        self._hooked_bot.knows(dimensions=dimensions, state=state)
        self._described = {"dimensions": dimensions, "state": state, "version": self._version}
        return self._described

    def described(self) -> Json:
        """The same as last time: what hooks post in an answer does not ask them again."""
        return self._described or self.describe()

    def begin_anew(self) -> None:
        """Shake hands as another process: of the one that had a run in hand the server waits for its end."""
        self.session_id = _new_session_id()

    def take_in_handshake(self, answer: Json) -> None:
        """Echo the server's configuration, and let its dimensions win over the bot's own."""
        name: Optional[str] = answer.get("bot_config_name")
        self._forced = {"bot_config": [name]} if name else {}
        self._forced.update(_forced_dimensions(answer.get("bot_group_cfg")))
        self._config = {"name": name, "revision": answer.get("bot_config_rev")}

    def _own_dimensions(self) -> Dimensions:
        dimensions = dict(self._dimensions)
        names = [name for name in self._cache_names() if len(name) <= LONGEST_CACHE_NAME]
        if names:
            dimensions["caches"] = names
        if self._hooks.has("get_dimensions"):
            self._hooked_bot.knows(dimensions=dimensions)
            changes = self._hooks.ask("get_dimensions", checked_dimensions, self._hooked_bot) or {}
            dimensions = {key: values for key, values in {**dimensions, **changes}.items() if values}
            dimensions.setdefault("pool", [DEFAULT_POOL])
        return dimensions

    def _own_state(self) -> Dict[str, Any]:
        state = {**self._state.now(), "sleep_streak": self.sleep_streak, "bot_config": self._config}
        state["bot_code"] = self.describe_code()
        if self._hooks.has("get_state"):
            self._hooked_bot.knows(state=state)
            state.update(self._hooks.ask("get_state", _checked_state, self._hooked_bot) or {})
        reasons = [self._state.too_full, self._hooks.problem]
        if any(reasons):
            reasons.insert(0, _as_text(state.get("quarantined")))
            state["quarantined"] = "\n".join(reason for reason in reasons if reason)
        return state


def _new_session_id() -> str:
    return f"{uuid.uuid4().hex}/{os.getpid()}"


def _checked_state(raw: Any) -> Dict[str, Any]:
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        raise ValueError(f"expected a dict, got {raw!r}")
    checked: Dict[str, Any] = json.loads(json.dumps(raw, allow_nan=False))  # raises for what cannot be sent
    return checked


def _as_text(quarantined: Any) -> str:
    return quarantined if isinstance(quarantined, str) else "quarantined by get_state" if quarantined else ""


def _forced_dimensions(config: Any) -> Mapping[str, List[str]]:
    forced = config.get("dimensions") if isinstance(config, dict) else None
    return forced if isinstance(forced, dict) else {}
