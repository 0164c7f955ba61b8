"""The clock by which a silence is measured."""

from __future__ import annotations

import time


def boot_seconds() -> float:
    """Seconds that pass also while the machine is suspended, where it has such a clock; the same for all processes.

    What was heard before a laptop was closed is old when it is opened again, for the server has waited meanwhile.
    """
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()
