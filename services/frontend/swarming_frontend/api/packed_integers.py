"""Lists of sizes as upstream's bots pack them: sorted, each as its distance to the one before, in varints, deflated."""

import zlib
from collections.abc import Iterator
from itertools import accumulate

from swarming_common.base64_text import decode_base64

MAX_UNPACKED_BYTES = 128 * 1024
"""Room for the files of a large input, most of which take one byte; whoever packs a bomb is not read."""
MAX_DISTANCE_BITS = 63


def unpack(packed: str) -> list[int] | None:
    """The integers of such a list in base64, ascending; None for what is none."""
    try:
        inflate = zlib.decompressobj()
        content = inflate.decompress(decode_base64(packed), MAX_UNPACKED_BYTES)
        if not inflate.eof or inflate.unused_data:
            return None
        return list(accumulate(_varints(content)))
    except (ValueError, zlib.error):
        return None


def _varints(content: bytes) -> Iterator[int]:
    """Seven bits a byte, the lowest first; all but the last byte of a number have the highest bit set."""
    value = shift = 0
    for byte in content:
        if shift >= MAX_DISTANCE_BITS:
            raise ValueError("a number is too large")
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0
    if shift:
        raise ValueError("the last number is cut off")
