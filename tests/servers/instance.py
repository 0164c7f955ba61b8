"""What every source provides: a running server, before which no proxy stands yet."""

from abc import ABC, abstractmethod


class Instance(ABC):
    """One server."""

    url: str
    """Where it answers, known once `start` was called; another start may change it."""
    provided: str
    """How it was provided, for the summary of the run."""
    management_url: str | None = None
    """RabbitMQ's management API, where there is one."""
    is_ours = True
    """Whether we started it, and so may kill it."""

    @abstractmethod
    def start(self) -> None:
        """Start its process, with what it stored before; it answers some time later."""

    @abstractmethod
    def kill(self) -> None:
        """End its process at once; it forgets nothing that it stored."""

    @abstractmethod
    def wipe(self) -> None:
        """Remove all it stored; only while it does not run."""

    @abstractmethod
    def close(self) -> None:
        """End it and leave nothing behind. Repeats safely."""

    @abstractmethod
    def died(self) -> str | None:
        """What it said last, if its process is no more."""
