"""Numbers as a sentence says them; rough ones on purpose."""

from collections.abc import Sequence

MINUTE, HOUR, DAY = 60, 3600, 86400


def counted(number: int, thing: str) -> str:
    """`1 bot`, `3 bots`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `11th`."""
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number:,}{ending}"


def roughly(seconds: float) -> str:
    """A length of time in one unit: `4 s`, `20 s`, `7 min`, `3 h`, `2 days`."""
    amount, unit = _rough(seconds)
    return f"{amount} {unit}" if unit != "day" else counted(amount, "day")


def span_between(low: float, high: float) -> str:
    """`2 to 6 min`, `50 s to 2 min`, `about 3 h`, `less than 20 s`."""
    low_text, high_text = roughly(low), roughly(high)
    if low_text == high_text:
        return f"about {high_text}"
    if low < 1:
        return f"less than {high_text}"
    if _rough(low)[1] == _rough(high)[1]:
        low_text = str(_rough(low)[0])
    return f"{low_text} to {high_text}"


def listed(parts: Sequence[str], joint: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    return f"{', '.join(parts[:-1])} {joint} {parts[-1]}" if len(parts) > 1 else "".join(parts)


def _rough(seconds: float) -> tuple[int, str]:
    if seconds < 10:
        return max(1, round(seconds)), "s"
    if seconds < 95:
        return round(seconds / 10) * 10, "s"
    if seconds < 95 * MINUTE:
        return _two_digits(seconds / MINUTE), "min"
    if seconds < 2 * DAY:
        return _two_digits(seconds / HOUR), "h"
    return round(seconds / DAY), "day"


def _two_digits(number: float) -> int:
    return round(number) if number < 20 else round(number / 5) * 5
