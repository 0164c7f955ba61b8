"""Reads messages about runs: wrong values are refused by name, unknown fields are ignored and counted."""

from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from swarming_botgateway.api.unknown_fields import count_unknown_fields
from swarming_botgateway.storable import unstorable_path
from swarming_common.errors import InvalidInput
from swarming_common.invalid import invalid_message
from swarming_common.model.task_id import InvalidTaskId, RunId, parse_run_id


class Message(BaseModel):
    """What a bot sends about a run: no conversions; keys that are not fields are left out."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)


M = TypeVar("M", bound=Message)


def read_message(kind: type[M], body: dict[str, Any]) -> M:
    """The body as this message. Raises InvalidInput."""
    try:
        message = kind.model_validate(body)
    except ValidationError as error:
        raise invalid_message(error) from error
    count_unknown_fields(kind.__name__, kind, body)
    # The second look costs more, and is needed only where the first one found something in an unknown field.
    if unstorable_path(body) is not None and (path := unstorable_path(message.model_dump())) is not None:
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
