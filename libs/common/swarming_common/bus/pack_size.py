"""How much goes into one message. A broker refuses what is too large by closing the channel, and would for ever."""

from collections.abc import Iterable, Iterator

PACK_ITEMS = 500
"""Keeps a reader's loop turn short."""

PACK_BYTES = 1_000_000
"""Far below what any broker refuses."""

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The most that RabbitMQ 4 takes unless it is told otherwise; older ones take more."""


def in_packs(bodies: Iterable[bytes]) -> Iterator[list[bytes]]:
    """The bodies in their order, as many together as a message should hold; one that is larger than that is alone."""
    pack: list[bytes] = []
    size = 0
    for body in bodies:
        if pack and (len(pack) == PACK_ITEMS or size + len(body) > PACK_BYTES):
            yield pack
            pack, size = [], 0
        pack.append(body)
        size += len(body)
    if pack:
        yield pack
