"""Makes what a bot sent storable: JSON may hold what a database column cannot."""

import math
import re
from typing import Any

import pydantic_core

LARGEST_INTEGER = 2**63 - 1

_SUSPICIOUS = re.compile(rb"\\u0000|NaN|Infinity|[0-9]{19}")
"""What JSON looks like that may hold something unstorable."""

_SURROGATES = re.compile("[\ud800-\udfff]")
"""In a text of Python only halves of pairs: a whole pair is one character."""


def storable(value: Any) -> Any:
    """The same, with NULs in texts replaced, and numbers that no column holds as None."""
    # Hardly ever is there any; a look at the text is much cheaper than a walk through all that a bot says of its state.
    return _mended(value) if _SUSPICIOUS.search(pydantic_core.to_json(value)) else value


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return storable_text(value)
    if isinstance(value, dict):
        return {storable_text(key): _mended(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_mended(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        return None
    return value


def storable_text(text: str) -> str:
    """The same with each NUL replaced."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def without_surrogates(text: str) -> str:
    """The same with each half of a surrogate pair replaced."""
    return _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


def unstorable_path(value: Any, path: str = "") -> str | None:
    """The path of a value that no column holds, such as `client_error.missing_cas[0]`; None if there is none."""
    if isinstance(value, dict):
        for key, one in value.items():
            inner = f"{path}.{key}" if path else key
            if "\0" in key or (found := unstorable_path(one, inner)) is not None:
                return inner.replace("\0", "\\0") if "\0" in key else found
    elif isinstance(value, list):
        for index, one in enumerate(value):
            if (found := unstorable_path(one, f"{path}[{index}]")) is not None:
                return found
    elif value is not None and not isinstance(value, bool) and _mended(value) != value:
        return path
    return None
