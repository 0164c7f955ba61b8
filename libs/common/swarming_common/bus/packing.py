"""Hints on their way: gathered for one loop turn, packed by address, and read again on the other side."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator

import structlog
from prometheus_client import Counter

from swarming_common.bus.port import HintReader
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
    """A bounded buffer that calls `flush` on the loop turn after hints came in; it keeps the newest."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush
        self._waiting: deque[tuple[str, Hint]] = deque()
        self._is_scheduled = False

    def add(self, address: str, hint: Hint) -> None:
        """Keep this hint for the next flush; to be called on the event loop."""
        if len(self._waiting) >= MAX_WAITING_HINTS:
            self._waiting.popleft()
            HINTS_DROPPED.inc()
        self._waiting.append((address, hint))
        self.schedule()

    def schedule(self) -> None:
        """Flush on the next loop turn, if there is anything."""
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._run)

    def take(self) -> Iterator[tuple[str, bytes]]:
        """Empty the buffer: (address, message), the hints of an address packed in the order they were sent."""
        waiting, self._waiting = self._waiting, deque()
        by_address: dict[str, list[Hint]] = {}
        for address, hint in waiting:
            by_address.setdefault(address, []).append(hint)
        for address, hints in by_address.items():
            for first in range(0, len(hints), MAX_HINTS_IN_PACK):
                if (body := _pack(hints[first : first + MAX_HINTS_IN_PACK])) is not None:
                    yield address, body

    def _run(self) -> None:
        self._is_scheduled = False
        self._flush()


def read_pack(body: bytes, read: HintReader) -> None:
    """Hand each hint of a message to its reader; what cannot be read, or makes the reader fail, is logged."""
    try:
        hints = wire.decode(body)
    except UnreadableHint as error:
        log.warning("hints_unreadable", reason=str(error))
        return
    for hint in hints:
        try:
            read(hint)
        except Exception:
            log.exception("hint_reader_failed", hint=type(hint).__name__)


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
