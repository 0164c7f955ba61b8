"""Reads JSON as bots write it. Where a name of a file has bytes that are no UTF-8, Python has half of a surrogate pair
for each, and its json module writes them down, though no JSON parser has to take them and no database does."""

import json
from typing import Any

from starlette.requests import Request

from swarming_botgateway.storable import without_surrogates
from swarming_common.errors import InvalidInput
from swarming_common.http.body import parse_json_object, read_body


async def read_spoken_object(request: Request, limit: int) -> dict[str, Any]:
    """The body as a JSON object. Raises BodyTooLarge, or InvalidInput for anything else."""
    return parse_spoken_object(await read_body(request, limit))


def parse_spoken_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object, with what is half of a pair replaced. Raises InvalidInput for anything else."""
    try:
        return parse_json_object(body)
    except InvalidInput as refusal:
        if (mended := _mended(body)) is None:
            raise
        try:
            return parse_json_object(mended)
        except InvalidInput:
            raise refusal from None


def _mended(body: bytes) -> bytes | None:
    """The same JSON without halves of pairs; None if there are none, or it is no JSON."""
    try:
        text = json.dumps(json.loads(body), ensure_ascii=False)
    except (ValueError, RecursionError):
        return None
    mended = without_surrogates(text)
    return None if mended == text else mended.encode()
