"""The data of a task's event as `task_event` holds it: ids as columns, the rest as JSON."""

from typing import Any

from swarming_common.events.envelope import Event
from swarming_common.model.task_id import RunId, TaskId, format_task_id, parse_run_id

_IDS = ("task_id", "run_id", "bot_id")


def event_columns(fact: Event) -> dict[str, Any]:
    """The columns `run_number`, `bot_id` and `data`. The task's id has its column anyway."""
    data = fact.model_dump(mode="json", exclude_none=True)
    _, run_id, bot_id = (data.pop(name, None) for name in _IDS)
    run_number = None if run_id is None else parse_run_id(run_id).number
    return {"run_number": run_number, "bot_id": bot_id, "data": data}


def event_data(row: Any) -> dict[str, Any]:
    """The whole data of the event in a row of `task_event`. Raises ValueError for a row that holds none."""
    if not isinstance(row.data, dict):
        raise ValueError("data: expected an object")
    task_id = TaskId(row.task_id)
    ids: dict[str, Any] = {"task_id": format_task_id(task_id)}
    if row.run_number is not None:
        ids["run_id"] = str(RunId(task_id, row.run_number))
    if row.bot_id is not None:
        ids["bot_id"] = row.bot_id
    return ids | row.data
