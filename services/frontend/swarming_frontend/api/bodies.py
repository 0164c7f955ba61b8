"""Reading a body as one of the messages."""

from typing import Any, TypeVar

import pydantic_core
from pydantic import ValidationError
from starlette.requests import Request

from swarming_common.errors import InvalidInput
from swarming_common.http.body import read_body
from swarming_common.invalid import invalid_message
from swarming_frontend.api.messages import Message

M = TypeVar("M", bound=Message)


async def read_message(request: Request, kind: type[M], max_bytes: int, *, optional: bool = False) -> M:
    """The body as a message of this kind; an `optional` one may be empty.

    Raises BodyTooLarge, or InvalidInput, which names the first field that is not right.
    """
    body = await read_body(request, max_bytes)
    if optional and not body.strip():
        return kind()
    try:
        message = kind.model_validate_json(body)
    except ValidationError as error:
        raise _with_its_form(invalid_message(error)) from error
    if b"\\u0000" in body:  # the only way to write it in JSON; what it finds may also be an escaped backslash
        _refuse_nul(pydantic_core.from_json(body), "")
    return message


def _with_its_form(error: InvalidInput) -> InvalidInput:
    """Dimensions have another form in every dialect, so whoever gets them wrong is shown one."""
    if "dimensions" not in error.field.replace("[", ".").split("."):
        return error
    return InvalidInput(error.field, f'{error.expected}; dimensions are like [{{"key": "pool", "value": "default"}}]')


def _refuse_nul(value: Any, path: str) -> None:
    if isinstance(value, str) and "\0" in value:
        raise InvalidInput(path or "body", "expected a text without NUL characters")
    if isinstance(value, dict):
        for key, inner in value.items():
            _refuse_nul(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            _refuse_nul(inner, f"{path}[{number}]")
