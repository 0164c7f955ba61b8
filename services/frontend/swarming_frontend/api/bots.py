"""`bots/*` and `bot/{id}/*`: the machines."""

from fastapi import APIRouter
from starlette.responses import Response

from swarming_frontend.api.bot_replies import bot_counts, bot_info, bot_list
from swarming_frontend.api.cursors import decode_cursor, encode_cursor
from swarming_frontend.api.encoding import reply
from swarming_frontend.api.queries import BOT_PLACE, BotIdText, BotsCountParameters, BotsParameters
from swarming_frontend.usecases.registry import Usecases


def bots(use: Usecases) -> APIRouter:
    """The routes under `bots/` and `bot/{id}/`."""
    router = APIRouter(tags=["bots"])

    @router.get("/bots/list")
    async def list_(query: BotsParameters) -> Response:
        """Bots by id, a page at a time."""
        now = use.clock.now()
        after = decode_cursor(BOT_PLACE, query.cursor)
        found, place = await use.list_bots.page(query.wanted(), after, query.limit, now)
        items = [bot_info(one, is_dead=use.list_bots.is_dead(one, now)) for one in found]
        return reply(bot_list(items, encode_cursor(BOT_PLACE, place), now, use.list_bots.death_timeout_secs))

    @router.get("/bots/count")
    async def count(query: BotsCountParameters) -> Response:
        """How many bots there are, and how many of each kind."""
        now = use.clock.now()
        return reply(bot_counts(await use.list_bots.count(query.wanted(), now), now))

    @router.get("/bot/{bot_id}/get")
    async def get(bot_id: BotIdText) -> Response:
        """What is known of one bot."""
        found = await use.list_bots.one(bot_id)
        return reply(bot_info(found, is_dead=use.list_bots.is_dead(found, use.clock.now())))

    return router
