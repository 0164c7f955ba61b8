"""Looks at the tables on which a shard depends: nobody else takes them, so they are tried again until they succeed."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from swarming_common.errors import Unavailable

log = structlog.get_logger(__name__)

RETRY_SECONDS = 0.5

Found = TypeVar("Found")


async def patiently(shard: int, what: str, look: Callable[[], Awaitable[Found]]) -> Found:
    """What the look finds; `what` is for the log. A mistake of ours is told and tried again like an outage: giving up
    would leave tasks for which nobody cares any more."""
    while True:
        try:
            return await look()
        except Unavailable as error:
            log.warning("look_up_failed", shard=shard, what=what, reason=str(error))
        except Exception:
            log.exception("look_up_failed", shard=shard, what=what)
        await asyncio.sleep(RETRY_SECONDS)
