"""Renders templates: everything is escaped, and what a browser may load is only what this server serves."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, format_task_id

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}

SIGNS = {
    TaskState.PENDING: "…",
    TaskState.RUNNING: "▶",
    TaskState.COMPLETED: "✓",
    TaskState.EXPIRED: "✗",
    TaskState.TIMED_OUT: "✗",
    TaskState.BOT_DIED: "☠",
    TaskState.CANCELED: "⊘",
    TaskState.KILLED: "⊘",
    TaskState.NO_RESOURCE: "∅",
    TaskState.CLIENT_ERROR: "✗",
}
"""A state shows by its sign and its name, never by colour alone."""


def page(
    template: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    trouble: str | None = None,
    **values: Any,
) -> HTMLResponse:
    """A rendered page with the headers that every page has. `trouble`: why nothing can start just now, in words."""
    text = _environment.get_template(template).render(trouble=trouble, **values)
    return HTMLResponse(text, status, headers={**HEADERS, **(headers or {})})


def moment(value: datetime) -> str:
    """UTC to the second."""
    return value.strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """A length of time in its two largest units, without a second one that is zero."""
    if seconds < 1:
        return f"{max(seconds, 0) * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s".replace(".0 s", " s")
    minutes, rest = divmod(round(seconds), 60)
    hours, rest_minutes = divmod(minutes, 60)
    if hours == 0:
        return _two((minutes, "min"), (rest, "s"))
    if hours < 48:
        return _two((hours, "h"), (rest_minutes, "min"))
    return _two((hours // 24, "d"), (hours % 24, "h"))


def _two(large: tuple[int, str], small: tuple[int, str]) -> str:
    return " ".join(f"{number} {unit}" for number, unit in (large, small) if number)


def sign(state: TaskState, failure: bool) -> str:
    """The sign beside a state's name."""
    return "✗" if failure else SIGNS[state]


def kind_of_state(state: TaskState, failure: bool) -> str:
    """What colour a state gets: good, bad, running or waiting."""
    if state is TaskState.COMPLETED:
        return "bad" if failure else "good"
    return {TaskState.PENDING: "waiting", TaskState.RUNNING: "running"}.get(state, "bad")


_environment = Environment(
    loader=PackageLoader("swarming_frontend.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "moment": moment,
    "span": span,
    "task_id": format_task_id,
}
_environment.globals |= {"kind_of_state": kind_of_state, "sign": sign, "RunId": RunId}
