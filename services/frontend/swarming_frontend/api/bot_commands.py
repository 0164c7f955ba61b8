"""`bot/{id}/terminate`, `/delete`, `/quarantine` and so on: what people ask of bots."""

from datetime import datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from swarming_common.errors import InvalidInput
from swarming_common.model.task_id import format_task_id
from swarming_frontend.api.bodies import read_message
from swarming_frontend.api.bot_replies import bot_info
from swarming_frontend.api.description import body_of
from swarming_frontend.api.encoding import integer, reply, timestamp
from swarming_frontend.api.given import Settings, Use
from swarming_frontend.api.messages import DeleteDeadBody, NoBody, RestartBody, RestrictBody, TerminateBody
from swarming_frontend.api.queries import BotIdText, key_value_pairs
from swarming_frontend.identity import caller_of
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.usecases.delete_bots import DeleteBot, DeleteDeadBots
from swarming_frontend.usecases.registry import Usecases
from swarming_frontend.usecases.restrict_bot import ReleaseBot, RestartBot, RestrictBot, RestrictionKind
from swarming_frontend.usecases.terminate_bot import TerminateBot

ASKED_TO_RESTART = "Somebody asked for it."

router = APIRouter(tags=["bots"])


@router.post("/bot/{bot_id}/terminate", openapi_extra=body_of(TerminateBody, optional=True))
async def terminate(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """Have a bot end once it is idle, by a task that it answers with its end; a `reason` (an extension) shows in
    that task's name. While such a task is under way, it is the answer."""
    body = await read_message(request, TerminateBody, settings.max_body_bytes, optional=True)
    command = TerminateBot(bot_id=bot_id, reason=body.reason, by=caller_of(request))
    return reply({"task_id": format_task_id(await use.terminate(command, use.clock.now()))})


@router.post("/bot/{bot_id}/delete")
async def delete(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """Forget a bot. Its history stays; should it poll again, it is back."""
    await read_message(request, NoBody, settings.max_body_bytes, optional=True)
    await use.delete_bots.one(DeleteBot(bot_id=bot_id, by=str(caller_of(request))), use.clock.now())
    return reply({"deleted": True})


@router.post("/bots/delete_dead", openapi_extra=body_of(DeleteDeadBody, optional=True))
async def delete_dead(request: Request, use: Use, settings: Settings) -> Response:
    """Forget all dead bots, or those of them that have these `dimensions` (an extension)."""
    body = await read_message(request, DeleteDeadBody, settings.max_body_bytes, optional=True)
    now = use.clock.now()
    command = DeleteDeadBots(dimensions=key_value_pairs(body.dimensions), by=str(caller_of(request)))
    return reply({"matched": integer(await use.delete_bots.all_dead(command, now)), "now": timestamp(now)})


@router.post("/bot/{bot_id}/restart", openapi_extra=body_of(RestartBody, optional=True))
async def restart(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """Have a bot's process restart once it is idle (an extension)."""
    body = await read_message(request, RestartBody, settings.max_body_bytes, optional=True)
    command = RestartBot(bot_id=bot_id, reason=body.reason or ASKED_TO_RESTART, by=str(caller_of(request)))
    await use.set_bots.restart(command, use.clock.now())
    return reply({"ok": True})


@router.post("/bot/{bot_id}/quarantine", openapi_extra=body_of(RestrictBody))
async def quarantine(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """Give a bot no tasks, because of `reason`, until `until_ts` or until it is released; a task that it has goes
    on (an extension). Answered with its BotInfo."""
    return await _restrict(request, bot_id, use, settings, RestrictionKind.QUARANTINE)


@router.post("/bot/{bot_id}/unquarantine")
async def unquarantine(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """End a quarantine, also an automatic one, but not one that the bot itself says it is in (an extension)."""
    return await _release(request, bot_id, use, settings, RestrictionKind.QUARANTINE)


@router.post("/bot/{bot_id}/maintenance", openapi_extra=body_of(RestrictBody))
async def maintenance(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """The same as `quarantine` for a bot that somebody works on (an extension)."""
    return await _restrict(request, bot_id, use, settings, RestrictionKind.MAINTENANCE)


@router.post("/bot/{bot_id}/end_maintenance")
async def end_maintenance(request: Request, bot_id: BotIdText, use: Use, settings: Settings) -> Response:
    """End a maintenance (an extension)."""
    return await _release(request, bot_id, use, settings, RestrictionKind.MAINTENANCE)


async def _restrict(
    request: Request, bot_id: str, use: Usecases, settings: FrontendSettings, kind: RestrictionKind
) -> Response:
    body = await read_message(request, RestrictBody, settings.max_body_bytes)
    now = use.clock.now()
    _expect_future(body.until_ts, now)
    command = RestrictBot(bot_id=bot_id, kind=kind, reason=body.reason, until=body.until_ts, by=str(caller_of(request)))
    await use.set_bots.restrict(command, now)
    return await _shown(use, bot_id, now)


async def _release(
    request: Request, bot_id: str, use: Usecases, settings: FrontendSettings, kind: RestrictionKind
) -> Response:
    await read_message(request, NoBody, settings.max_body_bytes, optional=True)
    now = use.clock.now()
    await use.set_bots.release(ReleaseBot(bot_id=bot_id, kind=kind, by=str(caller_of(request))), now)
    return await _shown(use, bot_id, now)


async def _shown(use: Usecases, bot_id: str, now: datetime) -> Response:
    found = await use.list_bots.one(bot_id, now)
    return reply(bot_info(found, is_dead=use.list_bots.is_dead(found, now)))


def _expect_future(until: datetime | None, now: datetime) -> None:
    if until is not None and until <= now:
        raise InvalidInput("until_ts", "expected a moment to come")
