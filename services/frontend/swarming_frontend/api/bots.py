"""`bots/*` and `bot/{id}/*`: the machines."""

from fastapi import APIRouter
from starlette.responses import Response

from swarming_frontend.api.bot_replies import bot_counts, bot_events, bot_info, bot_list, bots_dimensions
from swarming_frontend.api.cursors import decode_cursor, encode_cursor
from swarming_frontend.api.encoding import reply
from swarming_frontend.api.given import Use
from swarming_frontend.api.queries import (
    BOT_PLACE,
    HISTORY_PLACE,
    RUN_PLACE,
    BotDimensionsParameters,
    BotEventsParameters,
    BotIdText,
    BotsCountParameters,
    BotsParameters,
    BotTasksParameters,
)
from swarming_frontend.api.task_replies import task_list

router = APIRouter(tags=["bots"])


@router.get("/bots/list")
async def list_(query: BotsParameters, use: Use) -> Response:
    """Bots by id, a page at a time."""
    now = use.clock.now()
    after = decode_cursor(BOT_PLACE, query.cursor)
    found, place = await use.list_bots.page(query.wanted(), after, query.limit, now)
    items = [bot_info(one, is_dead=use.list_bots.is_dead(one, now)) for one in found]
    return reply(bot_list(items, encode_cursor(BOT_PLACE, place), now, use.list_bots.death_timeout_secs))


@router.get("/bots/count")
async def count(query: BotsCountParameters, use: Use) -> Response:
    """How many bots there are, and how many of each kind."""
    now = use.clock.now()
    return reply(bot_counts(await use.list_bots.count(query.wanted(), now), now))


@router.get("/bots/dimensions")
async def dimensions(query: BotDimensionsParameters, use: Use) -> Response:
    """Which values there are for each dimension, but for the bots' ids."""
    return reply(bots_dimensions(await use.list_bots.dimensions(query.pool), use.clock.now()))


@router.get("/bot/{bot_id}/get")
async def get(bot_id: BotIdText, use: Use) -> Response:
    """What is known of one bot; of a deleted one, what its history says, with `deleted`."""
    now = use.clock.now()
    found = await use.list_bots.one(bot_id, now)
    return reply(bot_info(found, is_dead=use.list_bots.is_dead(found, now)))


@router.get("/bot/{bot_id}/tasks")
async def tasks(bot_id: BotIdText, query: BotTasksParameters, use: Use) -> Response:
    """The runs that a bot had or has, newest first, as a TaskList of run results."""
    after = decode_cursor(RUN_PLACE, query.cursor)
    found, place = await use.bot_past.runs(bot_id, query.wanted(), after, query.limit)
    cursor = encode_cursor(RUN_PLACE, place)
    with_performance = query.include_performance_stats
    return reply(task_list(found, cursor, use.clock.now(), with_performance=with_performance))


@router.get("/bot/{bot_id}/events")
async def events(bot_id: BotIdText, query: BotEventsParameters, use: Use) -> Response:
    """What happened to a bot, newest first."""
    after = decode_cursor(HISTORY_PLACE, query.cursor)
    found, place = await use.bot_past.events(bot_id, query.wanted(), after, query.limit)
    return reply(bot_events(found, encode_cursor(HISTORY_PLACE, place), use.clock.now()))
