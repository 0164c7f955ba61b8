"""What bots that are not our own need in a handshake, and which those are."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


def hooks_for(state: Mapping[str, Any], *, have_cipd: bool) -> str | None:
    """The hooks to send to a bot with this state; None for none. Our own bots need nothing of CIPD."""
    return None if have_cipd or is_our_own(state) else _upstream_hooks()


def is_our_own(state: Mapping[str, Any]) -> bool:
    """Whether a bot with this state is one of ours: they say in it which code they run."""
    return isinstance(state.get("bot_code"), dict)


@cache
def _upstream_hooks() -> str:
    return files(__package__).joinpath("upstream_hooks.py").read_text(encoding="utf-8")
