"""Reading a request's body up to a limit, and as JSON."""

from typing import Any

import pydantic_core
from starlette.requests import Request

from swarming_common.errors import InvalidInput, SwarmingError


class BodyTooLarge(SwarmingError):
    """The body is larger than this route takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"body: expected at most {limit} bytes")


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body. Raises BodyTooLarge as soon as it is known to be over `limit` bytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdigit() and int(declared) > limit:
        raise BodyTooLarge(limit)
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise BodyTooLarge(limit)
        chunks.append(chunk)
    return b"".join(chunks)


def parse_json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises InvalidInput for anything else."""
    try:
        parsed = pydantic_core.from_json(body)
    except ValueError as error:
        raise InvalidInput("body", f"expected JSON ({error})") from error
    if not isinstance(parsed, dict):
        raise InvalidInput("body", f"expected a JSON object, got {type(parsed).__name__}")
    return parsed
