"""The Swarming Python SDK and the `swarming` command."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swarming_client.api import Swarming
    from swarming_client.bot_messages import BotInfo
    from swarming_client.errors import (
        NotAllowed,
        NotFound,
        RequestRefused,
        ServerUnavailable,
        SwarmingError,
        UnexpectedReply,
        UsageError,
        WaitTimeout,
    )
    from swarming_client.messages import CancelReply, Explanation, MatchedReply, SubmittedTask, TaskOutput, TaskResult
    from swarming_client.new_task import NewTask
    from swarming_client.uploads import JoinToken, UploadedVersion, Uploads

_HOMES = {
    "Swarming": "api",
    "NewTask": "new_task",
    **dict.fromkeys(("JoinToken", "UploadedVersion", "Uploads"), "uploads"),
    "BotInfo": "bot_messages",
    **dict.fromkeys(("CancelReply", "Explanation", "MatchedReply", "SubmittedTask"), "messages"),
    **dict.fromkeys(("TaskOutput", "TaskResult"), "messages"),
    **dict.fromkeys(("NotAllowed", "NotFound", "RequestRefused", "ServerUnavailable"), "errors"),
    **dict.fromkeys(("SwarmingError", "UnexpectedReply", "UsageError", "WaitTimeout"), "errors"),
}

__all__ = [
    "BotInfo",
    "CancelReply",
    "Explanation",
    "JoinToken",
    "MatchedReply",
    "NewTask",
    "NotAllowed",
    "NotFound",
    "RequestRefused",
    "ServerUnavailable",
    "SubmittedTask",
    "Swarming",
    "SwarmingError",
    "TaskOutput",
    "TaskResult",
    "UnexpectedReply",
    "UploadedVersion",
    "Uploads",
    "UsageError",
    "WaitTimeout",
]


def __getattr__(name: str) -> Any:
    """Load an exported name at its first use, so that the command line starts without httpx."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
