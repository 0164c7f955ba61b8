"""Pydantic's errors in our words: the field as the caller wrote it, and what was expected."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from swarming_common.errors import InvalidInput

_EXPECTED = {
    "missing": "a value, it is required",
    "extra_forbidden": "no such field",
    "string_type": "a text",
    "string_unicode": "a text",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "dict_type": "an object",
    "none_required": "null",
    "int_type": "an integer",
    "int_parsing": "an integer",
    "int_parsing_size": "a 64-bit integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "string_too_short": "a text of {min_length} or more characters",
    "string_too_long": "a text of at most {max_length} characters",
    "too_short": "at least {min_length} of them",
    "too_long": "at most {max_length} of them",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "greater_than": "more than {gt}",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}


def invalid_message(error: ValidationError) -> InvalidInput:
    """What is wrong with a body that is no such message: its first error."""
    return _invalid(error.errors(include_url=False, include_input=False)[0])


def in_a_line(error: ValueError) -> str:
    """What is wrong, without the rest of pydantic's pages."""
    return str(invalid_message(error) if isinstance(error, ValidationError) else error)


def invalid_parameter(errors: Sequence[Any]) -> InvalidInput:
    """What is wrong with a request's query or path, by the errors that FastAPI found: the first of them."""
    first = errors[0]
    return _invalid({**first, "loc": first["loc"][1:]})  # without "query" or "path"


def _invalid(error: Mapping[str, Any]) -> InvalidInput:
    kind, context = error["type"], error.get("ctx", {})
    field = _path(error["loc"])
    if kind == "json_invalid":
        return InvalidInput("body", f"expected JSON ({context.get('error', 'malformed')})")
    if kind == "value_error":
        return InvalidInput(field, str(context["error"]))
    if kind in ("enum", "literal_error"):
        return InvalidInput(field, f"expected one of {context['expected']}")
    expected = _EXPECTED.get(kind)
    if expected is None:
        return InvalidInput(field, f"expected something else: {error['msg']}")
    return InvalidInput(field, "expected " + expected.format(**{name: _plain(one) for name, one in context.items()}))


def _plain(limit: Any) -> Any:
    return int(limit) if isinstance(limit, float) and limit.is_integer() else limit


def _path(location: Sequence[str | int]) -> str:
    path = "".join(f"[{one}]" if isinstance(one, int) else f".{one}" for one in location)
    return path.lstrip(".") or "body"
