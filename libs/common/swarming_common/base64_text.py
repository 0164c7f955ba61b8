"""Reads base64 as others write it."""

import base64
import binascii

_URL_SAFE = str.maketrans("-_", "+/")


def decode_base64(text: str) -> bytes:
    """The bytes that the text stands for. Line breaks and other white space are left out, both alphabets are taken, and
    the padding may lack: upstream's client breaks lines, and Go's JSON writes either alphabet. Raises ValueError."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    padded = "".join(text.split()).translate(_URL_SAFE)
    plain = padded.rstrip("=")
    padding = -len(plain) % 4
    if len(padded) - len(plain) not in (0, padding):
        raise ValueError("wrong padding of base64")
    return base64.b64decode(plain + "=" * padding, validate=True)
