"""Cursors: opaque to clients, for us the place of the last item of a page."""

import base64
import binascii
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from swarming_common.errors import InvalidInput

T = TypeVar("T")


def encode_cursor(kind: TypeAdapter[T], place: T | None) -> str | None:
    """The cursor after this place, None at the end."""
    return None if place is None else base64.urlsafe_b64encode(kind.dump_json(place)).decode().rstrip("=")


def decode_cursor(kind: TypeAdapter[T], cursor: str | None) -> T | None:
    """The place that a cursor stands for. Raises InvalidInput for what is no cursor of this list."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return kind.validate_json(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValidationError, ValueError) as error:
        raise InvalidInput("cursor", "expected the cursor of an earlier page of this list") from error
