"""How option values are read: `K=V` pairs, tags, durations."""

from __future__ import annotations

import argparse

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def key_value(text: str) -> tuple[str, str]:
    """Read `KEY=VALUE`; the value may hold more equals signs."""
    key, sign, value = text.partition("=")
    if not key or not sign:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return key, value


def tag(text: str) -> str:
    """Read `KEY:VALUE`."""
    key, colon, _ = text.partition(":")
    if not key or not colon:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY:VALUE")
    return text


def duration(text: str) -> int:
    """Read seconds, or a number with a unit: `90`, `90s`, `15m`, `6h`, `2d`."""
    number, unit = (text[:-1], text[-1]) if text[-1:] in SECONDS else (text, "s")
    if not (number.isascii() and number.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a duration (90, 90s, 15m, 6h, 2d)")
    return int(number) * SECONDS[unit]


def count(text: str) -> int:
    """Read a number that is not negative."""
    if not (text.isascii() and text.isdecimal()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number")
    return int(text)
