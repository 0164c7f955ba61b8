"""Counts the fields in bots' messages that this server does not know. They are ignored: newer bots add fields, and a
bot that is refused is a machine lost."""

from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any, get_args

import structlog
from pydantic import BaseModel

from swarming_botgateway.metrics import UNKNOWN_FIELDS

log = structlog.get_logger(__name__)

MAX_COUNTED_FIELDS = 100
"""A bot chooses the names, so the number of label values needs a limit; what comes after it is counted as OTHER."""

MAX_FIELD_LENGTH = 100
"""Characters of a field's path in the metric and in the log."""

OTHER = "other"

_counted: set[str] = set()


def count_unknown_keys(message: str, body: Mapping[str, Any], known: Collection[str]) -> None:
    """Count the keys of this body that are not among the known ones; `message` names the call."""
    for key in body:
        if key not in known:
            _count(f"{message}.{key}")


def count_unknown_fields(message: str, kind: type[BaseModel], body: Mapping[str, Any]) -> None:
    """The same for a body that is valid as `kind`, with the messages inside it."""
    for path in _unknown_paths(kind, body):
        _count(f"{message}.{path}")


def _count(path: str) -> None:
    path = path[:MAX_FIELD_LENGTH]
    if path not in _counted:
        if len(_counted) >= MAX_COUNTED_FIELDS:
            UNKNOWN_FIELDS.labels(OTHER).inc()
            return
        _counted.add(path)
        log.info("unknown_field_ignored", field=path)
    UNKNOWN_FIELDS.labels(path).inc()


def _unknown_paths(kind: type[BaseModel], body: Mapping[str, Any]) -> Iterator[str]:
    inner = _messages_in(kind)
    for key, value in body.items():
        if key not in kind.model_fields:
            yield key
        elif (part := inner.get(key)) is not None:
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, dict):
                    yield from (f"{key}.{path}" for path in _unknown_paths(part, one))


@cache
def _messages_in(kind: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields that hold messages themselves, or lists of them."""
    found = ((name, _message_type(field.annotation)) for name, field in kind.model_fields.items())
    return {name: part for name, part in found if part is not None}


def _message_type(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((part for one in get_args(annotation) if (part := _message_type(one)) is not None), None)
