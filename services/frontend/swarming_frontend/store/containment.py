"""Finding rows by what their JSON columns contain, on both databases."""

import json
from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import JSONB

from swarming_common.model.dimensions import alternatives


def has_tags(column: ColumnElement[object], tags: Sequence[str], dialect: str) -> ColumnElement[bool]:
    """All these `key:value` tags are in the list; a value may hold alternatives split by `|`."""
    return and_(*(or_(*(_in_list(column, one, dialect) for one in _choices(tag))) for tag in tags))


def has_dimensions(
    column: ColumnElement[object], asked: Sequence[tuple[str, str]], dialect: str
) -> ColumnElement[bool]:
    """All these values are in the lists of their keys; a value may hold alternatives split by `|`."""
    return and_(
        *(or_(*(_in_list_of_key(column, key, one, dialect) for one in alternatives(value))) for key, value in asked)
    )


def _choices(tag: str) -> list[str]:
    key, _, value = tag.partition(":")
    return [f"{key}:{one}" for one in alternatives(value)]


def _in_list(column: ColumnElement[object], value: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return column.op("@>", is_comparison=True)(cast(literal(json.dumps([value])), JSONB))
    each = func.json_each(column).table_valued("value", joins_implicitly=True)
    return select(each.c.value).where(each.c.value == value).exists()


def _in_list_of_key(column: ColumnElement[object], key: str, value: str, dialect: str) -> ColumnElement[bool]:
    if dialect == "postgresql":
        return column.op("@>", is_comparison=True)(cast(literal(json.dumps({key: [value]})), JSONB))
    each = func.json_each(column, f'$."{key}"').table_valued("value", joins_implicitly=True)
    return select(each.c.value).where(each.c.value == value).exists()
