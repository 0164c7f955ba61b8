"""How values are written on the wire (client-api-v1.md section 1)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pydantic_core
from starlette.responses import Response

Json = dict[str, Any]


def reply(message: Json) -> Response:
    """A message as a response."""
    return Response(pydantic_core.to_json(message), media_type="application/json")


def present(**fields: Any) -> Json:
    """The fields that are set: null and empty lists stay away, false, zero and empty texts do not."""
    return {name: value for name, value in fields.items() if value is not None and value not in ([], ())}


def integer(value: int | None) -> str | None:
    """All integers are decimal strings."""
    return None if value is None else str(value)


def timestamp(moment: datetime | None) -> str | None:
    """UTC without a zone suffix; the fraction is absent when it is zero."""
    return None if moment is None else moment.replace(tzinfo=None).isoformat()


def list_pairs(values: Mapping[str, Iterable[str]]) -> list[Json]:
    """Keys with lists of values."""
    return [{"key": key, "value": list(several)} for key, several in sorted(values.items())]


def any_json(value: Any) -> Any:
    """Free-form JSON with its integers as strings and without nulls."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, dict):
        return {key: any_json(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [any_json(inner) for inner in value]
    return value
