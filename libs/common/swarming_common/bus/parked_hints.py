"""Which hints are parked: those that no reader can digest, as long as they are no flood."""

import time
from collections.abc import Callable

import structlog
from prometheus_client import Counter

from swarming_common.bus.parked import Origin, Parked, park_note
from swarming_common.hints.wire import UnreadableHint

log = structlog.get_logger(__name__)

MAX_AT_ONCE = 100
PARKED_PER_SECOND = 1.0
"""Hints may be lost: a few show what is wrong. More would push older messages out of the dead-letter queue, fill the
log, and keep the process from its work."""

HINTS_PARKED = Counter(
    "swarming_bus_hints_parked_total",
    "Rises by one for each hint that could not be digested: `parked`, or only `counted` because there were too many.",
    ["outcome"],
)


class HintParking:
    """Hands hints that could not be digested to `keep`; of a flood it only counts most."""

    def __init__(self, process: str, keep: Callable[[Parked], None], now: Callable[[], float] = time.monotonic) -> None:
        """`now` tells monotonic seconds."""
        self._process = process
        self._keep = keep
        self._now = now
        self._allowance = float(MAX_AT_ONCE)
        self._since = now()

    def park(self, address: str, hint: UnreadableHint, replays: int) -> None:
        """Set a hint aside that came to this address; it never blocks and never raises."""
        if not self._may_keep():
            HINTS_PARKED.labels("counted").inc()
            return
        HINTS_PARKED.labels("parked").inc()
        log.warning("hint_parked", address=address, hint=hint.kind, reason=hint.reason)
        parked = park_note(
            origin=Origin.MAILBOX,
            source=address,
            kind=hint.kind,
            reason=hint.reason,
            process=self._process,
            replays=replays,
            routing_key=address,
            body=hint.body,
        )
        try:
            self._keep(parked)
        except Exception:
            log.exception("hint_not_parked", address=address)

    def _may_keep(self) -> bool:
        now = self._now()
        self._allowance = min(MAX_AT_ONCE, self._allowance + (now - self._since) * PARKED_PER_SECOND)
        self._since = now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True
