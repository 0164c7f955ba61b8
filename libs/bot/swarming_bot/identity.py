"""Who a bot says it is in each call: id, dimensions, state and version."""

from __future__ import annotations

import os
import uuid
from typing import Any, Dict, List, Mapping, Optional

from swarming_bot.calls import Json
from swarming_bot.dimensions import Dimensions
from swarming_bot.state import MachineState


class Identity:
    """One bot as the server sees it, including what the server's handshake forced on it."""

    def __init__(self, bot_id: str, version: str, dimensions: Dimensions, state: MachineState) -> None:
        self.bot_id = bot_id
        self.session_id = f"{uuid.uuid4().hex}/{os.getpid()}"
        self.sleep_streak = 0  # sleeps in a row, not seconds
        self.dimensions = dimensions
        self._own_dimensions = dimensions
        self._version = version
        self._state = state
        self._config: Dict[str, Any] = {}

    def describe(self) -> Json:
        """The fields that handshake, poll and event share."""
        state = {**self._state.now(), "sleep_streak": self.sleep_streak, "bot_config": self._config}
        return {"dimensions": self.dimensions, "state": state, "version": self._version}

    def take_in_handshake(self, answer: Json) -> None:
        """Echo the server's configuration, and let its dimensions win over the bot's own."""
        dimensions = dict(self._own_dimensions)
        name: Optional[str] = answer.get("bot_config_name")
        if name:
            dimensions["bot_config"] = [name]
        dimensions.update(_forced_dimensions(answer.get("bot_group_cfg")))
        dimensions["id"] = [self.bot_id]
        self.dimensions = dimensions
        self._config = {"name": name, "revision": answer.get("bot_config_rev")}


def _forced_dimensions(config: Any) -> Mapping[str, List[str]]:
    forced = config.get("dimensions") if isinstance(config, dict) else None
    return forced if isinstance(forced, dict) else {}
