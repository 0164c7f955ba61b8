"""Hints on their way: gathered, packed by address, and read again on the other side."""

from collections import deque
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from swarming_common.bus.port import HintReader
from swarming_common.bus.routing import is_too_long
from swarming_common.hints import wire
from swarming_common.hints.wire import Hint, UnreadableHint

log = structlog.get_logger(__name__)

MAX_WAITING_HINTS = 10_000
"""How many hints wait while the bus is away; hints older than the newest ten thousand help nobody any more."""

MAX_HINTS_IN_PACK = 500
"""Keeps a message small enough for any broker, and a reader's loop turn short."""

HINTS_DROPPED = Counter(
    "swarming_bus_hints_dropped_total",
    "Rises by one when a hint is dropped because too many wait for the bus, or because it cannot be serialised.",
)


class OutgoingHints:
    """A bounded buffer that keeps the newest; it calls `wake` when something is in it again."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[tuple[str, Hint]] = deque()

    def add(self, address: str, hint: Hint) -> None:
        """Keep this hint for the next `take`."""
        if is_too_long(address):
            HINTS_DROPPED.inc()
            log.error("hint_address_too_long", address=address)
            return
        if len(self._waiting) >= MAX_WAITING_HINTS:
            self._waiting.popleft()
            HINTS_DROPPED.inc()
        self._waiting.append((address, hint))
        if len(self._waiting) == 1:
            self._wake()

    def take(self) -> list[tuple[str, bytes]]:
        """Empty the buffer: (address, message), the hints of an address packed in the order they were sent."""
        by_address: dict[str, list[Hint]] = {}
        for address, hint in self._waiting:
            by_address.setdefault(address, []).append(hint)
        self._waiting.clear()
        return [
            (address, body)
            for address, hints in by_address.items()
            for first in range(0, len(hints), MAX_HINTS_IN_PACK)
            if (body := _pack(hints[first : first + MAX_HINTS_IN_PACK])) is not None
        ]


def read_pack(body: bytes, read: HintReader, park: Callable[[UnreadableHint], None]) -> None:
    """Hand each hint of a message to its reader; what cannot be read, or makes the reader fail, is parked alone."""
    hints, unreadable = wire.decode(body)
    for hint in hints:
        try:
            read(hint)
        except Exception as error:
            kind = type(hint).__name__
            log.exception("hint_reader_failed", hint=kind)
            unreadable.append(UnreadableHint(kind, f"its reader failed: {error!r}", wire.encode([hint])))
    for one in unreadable:
        park(one)


def _pack(hints: list[Hint]) -> bytes | None:
    try:
        return wire.encode(hints)
    except Exception:
        # One that cannot be serialised must not take its companions along.
        good = [hint for hint in hints if _is_serialisable(hint)]
        return wire.encode(good) if good else None


def _is_serialisable(hint: Hint) -> bool:
    try:
        wire.encode([hint])
    except Exception:
        HINTS_DROPPED.inc()
        log.exception("hint_not_serialisable", hint=type(hint).__name__)
        return False
    return True
