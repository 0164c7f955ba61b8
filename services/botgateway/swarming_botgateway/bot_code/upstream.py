"""What bots that are not our own need in a handshake, and which those are."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any


def hooks_for(state: Mapping[str, Any], *, have_cipd: bool) -> str | None:
    """The hooks to send to a bot with this state; None for none. Our own bots need nothing of CIPD."""
    return _upstream_hooks() if lacks_cipd(state, have_cipd=have_cipd) else None


def injected_hooks(uploaded: str | None, state: Mapping[str, Any], *, have_cipd: bool) -> str | None:
    """The text that the handshake brings: the uploaded hooks, if it brings those, and what this bot needs besides."""
    parts = [one for one in (uploaded, hooks_for(state, have_cipd=have_cipd)) if one is not None]
    return "\n".join(parts) if parts else None


def lacks_cipd(state: Mapping[str, Any], *, have_cipd: bool) -> bool:
    """Whether a bot with this state fetches inputs through CIPD and CAS, and there is no CIPD service for it."""
    return not have_cipd and not is_our_own(state)


def is_our_own(state: Mapping[str, Any]) -> bool:
    """Whether a bot with this state is one of ours: they say in it which code they run."""
    return isinstance(state.get("bot_code"), dict)


@cache
def _upstream_hooks() -> str:
    return files(__package__).joinpath("upstream_hooks.py").read_text(encoding="utf-8")
