"""Tables for people: whole when piped, cut to the window on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

GAP = "  "
NARROWEST = 6  # characters below which a column says nothing any more
CUT = "…"


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int | None = None) -> list[str]:
    """Lay out the rows as lines; with a width, the widest columns give way until the lines fit."""
    cells = [[one_line(cell) for cell in row] for row in [header, *rows]]
    natural = [max(len(row[column]) for row in cells) for column in range(len(header))]
    widths = natural if width is None else fitted(natural, width - len(GAP) * (len(header) - 1))
    return [_line(row, widths) for row in cells]


def fitted(natural: Sequence[int], room: int) -> list[int]:
    """Shrink the widest columns, one character at a time, until they fit the room or all are narrow."""
    widths = list(natural)
    while sum(widths) > room and max(widths) > NARROWEST:
        widths[widths.index(max(widths))] -= 1
    return widths


def one_line(text: str) -> str:
    """Replace what would break a line or command the terminal: names are given by other people."""
    return "".join(c if c.isprintable() else " " for c in text)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return GAP.join(_cell(text, width) for text, width in zip(row, widths, strict=True)).rstrip()


def _cell(text: str, width: int) -> str:
    return text.ljust(width) if len(text) <= width else text[: width - len(CUT)] + CUT
