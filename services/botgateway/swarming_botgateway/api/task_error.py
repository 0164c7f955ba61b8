"""POST task_error: the bot failed at a run. Answered with exactly `{}`: anything else breaks upstream's bot."""

from datetime import datetime
from typing import Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.api.spoken import read_spoken_object
from swarming_botgateway.api.strict import Message, read_message, read_run_id
from swarming_botgateway.storable import storable_text
from swarming_botgateway.store.updates import RunUpdate
from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import TRY_ELSEWHERE, ReportKind

MAX_MESSAGE_LENGTH = 64 * 1024
"""Room for any traceback; a message that is longer is cut, since hints carry it."""


class MissingCas(Message):
    """An input tree that does not exist; `digest` is "hash/size"."""

    digest: str | None = None
    instance: str | None = None


class MissingCipd(Message):
    """A package that does not exist; upstream's bot may send null for what it does not know."""

    package_name: str | None = None
    version: str | None = None
    path: str | None = None


class UnreachableData(Message):
    """A zip that its server did not give; an extension of ours."""

    url: str


class ClientError(Message):
    """What the task named and the bot could not have, by no fault of the bot's."""

    missing_cas: list[MissingCas] = Field(default_factory=list)
    missing_cipd: list[MissingCipd] = Field(default_factory=list)
    unreachable_data: list[UnreachableData] = Field(default_factory=list)


class TaskError(Message):
    """The bot's own failure."""

    id: str = Field(min_length=1)
    task_id: str
    session: str | None = None
    message: str | None = None
    client_error: ClientError | None = None
    try_elsewhere: bool = False
    """The fault is the machine's, a full disk, say: the task is tried on another bot. An extension of ours."""


async def take_task_error(request: Request) -> Response:
    """Nothing, once the failure is written."""
    use = usecases_of(request)
    body = await read_spoken_object(request, settings_of(request).max_update_body_bytes)
    if isinstance(body.get("message"), str):
        body["message"] = storable_text(body["message"])  # it may quote a task's output, and is not sent again
    message = read_message(TaskError, body)
    now = use.clock.now()
    await use.report(_update(message, request.path_params.get("run_id"), now), now)
    return json_reply({})


TASK_ERROR_ROUTES = [Route(f"{BASE}/task_error{run}", take_task_error, methods=["POST"]) for run in ("/{run_id}", "")]


def _update(message: TaskError, run_id: str | None, now: datetime) -> RunUpdate:
    report = Report(
        kind=ReportKind.FAILED,
        created_ts=now,
        message=(message.message or "The bot gave no reason.")[:MAX_MESSAGE_LENGTH],
        details=_missing(message.client_error) | ({TRY_ELSEWHERE: True} if message.try_elsewhere else {}),
    )
    return RunUpdate(
        run=read_run_id(message.task_id, run_id),
        bot_id=message.id,
        session=message.session,
        output=None,
        report=report,
    )


def _missing(client_error: ClientError | None) -> dict[str, Any]:
    found = {} if client_error is None else client_error.model_dump(exclude_none=True)
    return {name: things for name, things in found.items() if things}
