"""POST task_update: output, life signs and the end of a run (bot-api.md section 6)."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.next_poll import take_next_poll
from swarming_botgateway.api.poll import command_of, gone
from swarming_botgateway.api.replies import BASE, json_reply, with_session
from swarming_botgateway.api.spoken import read_spoken_object
from swarming_botgateway.api.strict import Message, read_message, read_run_id
from swarming_botgateway.store.updates import Output, RunUpdate
from swarming_botgateway.usecases.report import NotItsRun, ReportAnswer
from swarming_common.base64_text import decode_base64
from swarming_common.errors import InvalidInput
from swarming_common.hints.scheduler import Report
from swarming_common.model.reports import ReportKind

Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
SIGN_BIT = 2**31


class _Digest(Message):
    hash: str
    size_bytes: int = Field(ge=0)


class _CasRoot(Message):
    cas_instance: str
    digest: _Digest


class Details(Message):
    """What a final update says besides how the process ended; stored as it came."""

    bot_overhead: Seconds | None = None
    isolated_stats: dict[str, Any] | None = None
    cipd_stats: dict[str, Any] | None = None
    cache_trim_stats: dict[str, Any] | None = None
    cleanup_stats: dict[str, Any] | None = None
    named_caches_stats: dict[str, Any] | None = None
    cipd_pins: dict[str, Any] | None = None
    cas_output_root: _CasRoot | None = None


class TaskUpdate(Details):
    """One update. `exit_code` and `duration` are on the final one, and only there."""

    id: str = Field(min_length=1)
    task_id: str
    session: str | None = None
    cost_usd: Seconds | None = None
    output: str | None = None
    output_chunk_start: int | None = Field(default=None, ge=0, lt=2**62)
    exit_code: int | None = Field(default=None, ge=-SIGN_BIT, lt=2 * SIGN_BIT)
    duration: Seconds | None = None
    hard_timeout: bool = False
    io_timeout: bool = False
    canceled: bool = False


async def take_update(request: Request) -> Response:
    """Whether the bot goes on, once what it said is written; and its next run, if it asked and one came at once."""
    use, settings = usecases_of(request), settings_of(request)
    body = await read_spoken_object(request, settings.max_update_body_bytes)
    word = take_next_poll(body)
    message = read_message(TaskUpdate, body)
    now = use.clock.now()
    update = _update(message, request.path_params.get("run_id"), settings.max_output_chunk_bytes, now)
    if word is None:
        return json_reply(_reply(await use.report(update, now)) | with_session(message.session))
    answer, run = await use.next_run(update, word, now, lambda: gone(request))
    following = {} if run is None else {"next": command_of(run)}
    return json_reply(_reply(answer) | with_session(message.session) | following)


TASK_UPDATE_ROUTES = [Route(f"{BASE}/task_update{run}", take_update, methods=["POST"]) for run in ("/{run_id}", "")]


def _reply(answer: ReportAnswer) -> dict[str, Any]:
    if isinstance(answer, NotItsRun):
        return {"ok": False, "must_stop": True, "stop_reason": "The run is not this bot's, or not any more."}
    return {"ok": True, "must_stop": answer.must_stop}


def _update(message: TaskUpdate, run_id: str | None, max_chunk_bytes: int, now: datetime) -> RunUpdate:
    run = read_run_id(message.task_id, run_id)
    if (message.exit_code is None) != (message.duration is None):
        lacking = "exit_code" if message.exit_code is None else "duration"
        raise InvalidInput(lacking, "expected exit_code and duration together, or neither")
    for name in ("isolated_stats", "cipd_stats"):
        if getattr(message, name) is not None and message.bot_overhead is None:
            raise InvalidInput("bot_overhead", f"expected together with {name}")
    return RunUpdate(
        run=run,
        bot_id=message.id,
        session=message.session,
        output=_output(message, max_chunk_bytes),
        report=_report(message, now),
        cost_usd=message.cost_usd,
    )


def _output(message: TaskUpdate, max_chunk_bytes: int) -> Output | None:
    if message.output is None:
        return None
    if message.output_chunk_start is None:
        raise InvalidInput("output_chunk_start", "expected together with output")
    try:
        content = decode_base64(message.output)
    except ValueError as error:
        raise InvalidInput("output", "expected base64") from error
    if len(content) > max_chunk_bytes:
        raise InvalidInput("output", f"expected at most {max_chunk_bytes} bytes")
    return Output(message.output_chunk_start, content) if content else None


def _report(message: TaskUpdate, now: datetime) -> Report | None:
    if message.exit_code is None and not message.canceled:
        return None
    details = Details.model_validate({name: getattr(message, name) for name in Details.model_fields})
    return Report(
        kind=ReportKind.CANCELED if message.exit_code is None else ReportKind.FINISHED,
        created_ts=now,
        exit_code=None if message.exit_code is None else _signed(message.exit_code),
        duration=message.duration,
        hard_timeout=message.hard_timeout,
        io_timeout=message.io_timeout,
        cost_usd=message.cost_usd,
        details=details.model_dump(exclude_none=True),
    )


def _signed(exit_code: int) -> int:
    """Windows' exit codes are unsigned; ours are stored as 32 signed bits, which show the same code."""
    return exit_code - 2 * SIGN_BIT if exit_code >= SIGN_BIT else exit_code
