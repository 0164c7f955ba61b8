"""POST handshake: a bot's process starts."""

from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.bot_code.served import BotCode
from swarming_botgateway.bot_word import read_bot_word
from swarming_botgateway.usecases.connect import Connect, Handshake
from swarming_common.clock import Clock
from swarming_common.http.body import read_json_object
from swarming_common.release import server_version

REQUIRED_KEYS = ("dimensions", "state", "version")
KNOWN_KEYS = frozenset({*REQUIRED_KEYS, "session_id", "session"})

BOT_CONFIG_NAME = "bot_config.py"
"""There is one bot_config for all, and it is in the bot's own archive."""


def handshake_routes(connect: Connect, code: BotCode, clock: Clock, max_body_bytes: int) -> list[Route]:
    """The route."""

    async def shake_hands(request: Request) -> Response:
        body = await read_json_object(request, max_body_bytes)
        word = read_bot_word(body, KNOWN_KEYS, REQUIRED_KEYS)
        handshake = Handshake(word=word, process=_process(body.get("session_id")), external_ip=external_ip(request))
        session = await connect(handshake, clock.now())
        return json_reply(
            {
                "bot_version": code.update_for(word) or word.facts.version,
                "server_version": server_version(),
                "session": str(session),
                "bot_config_rev": str(code.hooks_version),
                "bot_config_name": BOT_CONFIG_NAME,
            }
        )

    return [Route(f"{BASE}/handshake", shake_hands, methods=["POST"])]


def external_ip(request: Request) -> str:
    """Where the bot calls from."""
    return "" if request.client is None else request.client.host


def _process(session_id: object) -> str:
    return session_id if isinstance(session_id, str) and session_id else uuid4().hex
