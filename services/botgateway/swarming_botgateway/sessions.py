"""Sessions: which process of a bot is speaking.

A token is opaque to bots. For us it says when the session began and which process it belongs to, so that of two
processes that claim the same bot id the newer one wins, and so that a handshake which arrives twice, or late, is
known as the same process's.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PROCESS_LENGTH = 16
"""Of what stands for a process, with which a token ends."""

_TOKEN = re.compile(rf"([0-9a-f]{{12}})-([0-9a-f]{{{PROCESS_LENGTH}}})")


@dataclass(frozen=True, slots=True)
class Session:
    """`began_ms` is in milliseconds since 1970 UTC; `process` stands for the process that holds the session."""

    began_ms: int
    process: str

    def __str__(self) -> str:
        return f"{self.began_ms:012x}-{self.process}"

    @property
    def began(self) -> datetime:
        """When it began, to the millisecond."""
        return _EPOCH + timedelta(milliseconds=self.began_ms)

    def is_same_process(self, other: "Session") -> bool:
        """Whether both belong to one process."""
        return self.process == other.process

    def is_newer(self, other: "Session") -> bool:
        """Whether this is another process's session, begun later."""
        return not self.is_same_process(other) and self.began_ms > other.began_ms


def begin_session(process_name: str, now: datetime, current: Session | None) -> Session:
    """The session for a process that shakes hands: the one it has already, or one newer than any of its bot.

    `process_name` is what the bot calls its process; a fresh random text where it gave none.
    """
    process = hashlib.sha256(process_name.encode()).hexdigest()[:PROCESS_LENGTH]
    if current is not None and current.process == process:
        return current
    began_ms = (now - _EPOCH) // timedelta(milliseconds=1)
    return Session(began_ms if current is None else max(began_ms, current.began_ms + 1), process)


def parse_session(token: object) -> Session | None:
    """The session of a token; None for anything that is none of ours."""
    found = _TOKEN.fullmatch(token) if isinstance(token, str) else None
    return None if found is None else Session(int(found[1], 16), found[2])


def process_of(token: str | None) -> str | None:
    """What stands for the process that says this token: None for one that says none, empty for a token of nobody's."""
    if token is None:
        return None
    session = parse_session(token)
    return "" if session is None else session.process
