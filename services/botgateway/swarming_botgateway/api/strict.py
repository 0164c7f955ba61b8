"""Reads messages strictly: each refusal names the field and what was expected."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from swarming_botgateway.storable import unstorable_path
from swarming_common.errors import InvalidInput
from swarming_common.invalid import invalid_message
from swarming_common.model.task_id import InvalidTaskId, RunId, parse_run_id


class Message(BaseModel):
    """What a bot sends about a run: no unknown keys, no conversions."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


M = TypeVar("M", bound=Message)


def read_message(kind: type[M], body: dict[str, Any]) -> M:
    """The body as this message. Raises InvalidInput."""
    try:
        message = kind.model_validate(body)
    except ValidationError as error:
        raise invalid_message(error) from error
    if (path := unstorable_path(body)) is not None:
        raise InvalidInput(path, "expected no NUL in a text, and numbers of at most 64 bits")
    return message


def read_run_id(named: str, in_path: str | None) -> RunId:
    """The run of a message, which the path may name too. Raises InvalidInput."""
    if in_path is not None and in_path != named:
        raise InvalidInput("task_id", f"expected the id in the path, {in_path!r}")
    try:
        return parse_run_id(named)
    except InvalidTaskId as error:
        raise InvalidInput("task_id", f"expected a run id ({error})") from error
