"""Which scheduler should own which shard: a rendezvous hash over those that were heard lately.

Membership is a hint; the lock decides. Two that disagree for a moment only try locks in vain.
"""

from collections.abc import Iterable
from hashlib import blake2b


class Members:
    """The scheduler processes that are thought alive, oneself always."""

    def __init__(self, own_id: str, member_seconds: float) -> None:
        self._own_id = own_id
        self._member_seconds = member_seconds
        self._last_heard: dict[str, float] = {}

    def hear(self, scheduler_id: str, leaving: bool, now: float) -> bool:
        """Note a beat; `now` is monotonic. Returns whether this changes who should own what."""
        if scheduler_id == self._own_id:
            return False
        if leaving:
            return self._last_heard.pop(scheduler_id, None) is not None
        is_new = scheduler_id not in self._last_heard
        self._last_heard[scheduler_id] = now
        return is_new

    def alive(self, now: float) -> list[str]:
        """Who is thought alive."""
        for scheduler_id, heard in list(self._last_heard.items()):
            if now - heard > self._member_seconds:
                del self._last_heard[scheduler_id]
        return [self._own_id, *self._last_heard]


def owner_of(shard: int, members: Iterable[str]) -> str:
    """The member that should own a shard: moving one member moves only its shards."""
    return max(members, key=lambda member: (_weight(shard, member), member))


def _weight(shard: int, member: str) -> bytes:
    return blake2b(f"{shard}:{member}".encode(), digest_size=8).digest()
