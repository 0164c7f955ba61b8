"""The states of a task and of a run, with upstream's numbers (client-api-v1.md section 6)."""

from enum import IntEnum


class TaskState(IntEnum):
    """Where a task is in its life. The values are upstream's; they are an enumeration, not bits."""

    RUNNING = 16
    PENDING = 32
    EXPIRED = 48
    TIMED_OUT = 64
    BOT_DIED = 80
    CANCELED = 96
    COMPLETED = 112
    KILLED = 128
    NO_RESOURCE = 256
    CLIENT_ERROR = 512

    @property
    def is_final(self) -> bool:
        """Whether a task in this state never changes again."""
        return self not in LIVE_STATES


LIVE_STATES = frozenset({TaskState.PENDING, TaskState.RUNNING})

ABANDONED_STATES = frozenset(
    {
        TaskState.EXPIRED,
        TaskState.CANCELED,
        TaskState.KILLED,
        TaskState.BOT_DIED,
        TaskState.NO_RESOURCE,
        TaskState.CLIENT_ERROR,
    }
)
"""The final states that set `abandoned_ts`."""
