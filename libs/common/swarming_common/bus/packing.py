"""Hints on their way: gathered, packed by address, and read again on the other side."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import structlog
from prometheus_client import Counter

from swarming_common.bus.pack_size import MAX_MESSAGE_BYTES, in_packs
from swarming_common.bus.port import HintReader
from swarming_common.bus.routing import is_too_long
from swarming_common.hints import wire
from swarming_common.hints.wire import Hint, UnreadableHint

log = structlog.get_logger(__name__)

MAX_WAITING_HINTS = 10_000
"""How many hints wait while the bus is away; hints older than the newest ten thousand help nobody any more."""

MAX_HINT_BYTES = MAX_MESSAGE_BYTES - len(wire.joined([b""]))
"""A hint that is larger than a pack travels alone, up to this. TaskSubmitted and RunAssigned may be that large: they
hold a request's texts, which are bounded by nothing but the frontend's `max_body_bytes`."""

HINTS_DROPPED = Counter(
    "swarming_bus_hints_dropped_total",
    "Rises by one when a hint is dropped because too many wait for the bus, or because it cannot be serialised or is "
    "too large for a message.",
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
            (address, wire.joined(pack))
            for address, hints in by_address.items()
            for pack in in_packs(_encoded(address, hints))
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


def _encoded(address: str, hints: Iterable[Hint]) -> Iterator[bytes]:
    """Without those that cannot travel, which must not take their companions along."""
    for hint in hints:
        kind = type(hint).__name__
        try:
            body = wire.encode_one(hint)
        except Exception:
            HINTS_DROPPED.inc()
            log.exception("hint_not_serialisable", hint=kind)
            continue
        if len(body) > MAX_HINT_BYTES:
            HINTS_DROPPED.inc()
            log.error("hint_too_large", hint=kind, address=address, bytes=len(body))
            continue
        yield body
