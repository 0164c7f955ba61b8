"""POST handshake: a bot's process starts."""

from typing import Any
from uuid import uuid4

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.grown import read_grown_object
from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.api.sender import external_ip, sender_of
from swarming_botgateway.api.unknown_fields import count_unknown_keys
from swarming_botgateway.bot_code.upstream import injected_hooks, is_our_own
from swarming_botgateway.bot_word import Nameless, read_word
from swarming_botgateway.usecases.connect import Handshake
from swarming_common.release import server_version

REQUIRED_KEYS = ("dimensions", "state", "version")
KNOWN_KEYS = frozenset({*REQUIRED_KEYS, "session_id", "session"})

BOT_CONFIG_NAME = "bot_config.py"
"""There is one bot_config for all: in the zip that is built here, or sent to the bots of an uploaded archive."""


async def shake_hands(request: Request) -> Response:
    """The session that the process shall say from now on, and the code that it should run."""
    use, settings = usecases_of(request), settings_of(request)
    body = await read_grown_object(request, settings)
    count_unknown_keys("handshake", body, KNOWN_KEYS)
    word = read_word(body, REQUIRED_KEYS, sender=sender_of(request))
    if isinstance(word, Nameless):
        # Without a handshake it would never poll, and so never be told to update. It gets no session.
        return json_reply({"bot_version": use.poll.nameless(word).version, "server_version": server_version()})
    handshake = Handshake(word=word, process=_process(body.get("session_id")), external_ip=external_ip(request))
    session = await use.connect(handshake, use.clock.now())
    uploaded = use.code.hooks_for(word)
    reply: dict[str, Any] = {
        "bot_version": use.code.update_for(word) or word.facts.version,
        "server_version": server_version(),
        "session": str(session),
        "bot_config_rev": str(uploaded.version),
        "bot_config_name": BOT_CONFIG_NAME,
    }
    if is_our_own(word.state):
        reply["next_poll"] = True  # its last update of a run may carry the next poll: older servers would refuse that
    hooks = injected_hooks(uploaded.source, word.state, have_cipd=settings.bots_have_cipd)
    return json_reply(reply if hooks is None else reply | {"bot_config": hooks})


HANDSHAKE_ROUTES = [Route(f"{BASE}/handshake", shake_hands, methods=["POST"])]


def _process(session_id: object) -> str:
    return session_id if isinstance(session_id, str) and session_id else uuid4().hex
