"""What a poll may be answered with: a command and what that command needs (bot-api.md section 4)."""

from __future__ import annotations

import math
import re
from typing import Any

from swarming_bot.calls import Json
from swarming_bot.errors import ServerAway
from swarming_bot.manifest import run_id_of

VERSION_PATTERN = re.compile(r"[0-9a-zA-Z]{1,128}\Z")  # it becomes part of an address


def is_reply(answer: Any) -> bool:
    """Whether this is the answer to a poll, whatever the command."""
    return isinstance(answer, dict) and not answer.get("error") and isinstance(answer.get("cmd"), str)


def check_fields(reply: Json) -> None:
    """Raises BotError for a reply that lacks what its command needs: it is a failed poll."""
    command = reply["cmd"]
    if command == "run":
        run_id_of(reply.get("manifest"))
    elif command == "terminate":
        run_id_of(reply)
    elif command == "update":
        if not isinstance(reply.get("version"), str) or not VERSION_PATTERN.match(reply["version"]):
            raise ServerAway(f"poll: an update to {reply.get('version')!r}")
    elif command == "sleep":
        duration = reply.get("duration")
        is_number = isinstance(duration, (int, float)) and math.isfinite(duration)
        if not is_number or float(duration or 0) < 0:
            raise ServerAway(f"poll: a sleep of {duration!r} s")
