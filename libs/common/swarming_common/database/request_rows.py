"""A TaskRequest as `task_request` holds it: some fields as columns, the rest as one JSON document."""

from collections.abc import Mapping
from typing import Any

from swarming_common.database.tables import task_request
from swarming_common.model.request import TaskRequest

_FIELDS_WITH_COLUMNS = ("name", "priority", "user")

REQUEST_COLUMNS = (*(task_request.c[name] for name in _FIELDS_WITH_COLUMNS), task_request.c.request)
"""What request_fields needs of a row."""


def request_document(request: TaskRequest) -> dict[str, Any]:
    """The JSON document: without fields that have a column, and without those that have their default."""
    return request.model_dump(mode="json", exclude_defaults=True, exclude={*_FIELDS_WITH_COLUMNS, "tags"})


def request_fields(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the TaskRequest in a row of REQUEST_COLUMNS, but for its tags. To be validated by the reader."""
    return {**row["request"], **{name: row[name] for name in _FIELDS_WITH_COLUMNS}}
