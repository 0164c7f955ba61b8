"""What people ask of tasks and bots: the kinds of `command`."""

from enum import StrEnum


class CommandKind(StrEnum):
    """What is asked of a task, for the scheduler to act on; `command.arguments` says more."""

    CANCEL = "cancel"
    """End the task; `kill_running` says whether also if it runs."""
    PRIORITY = "priority"
    """Give the task, which waits, another `priority`."""


class BotCommandKind(StrEnum):
    """What is asked of a bot, for the gateways to act on."""

    DELETE = "delete_bot"
    """Forget the bot; with `unseen_since`, only if it has not been heard of since that moment, or has said goodbye."""
