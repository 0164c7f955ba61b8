"""POST event: something happened to a bot."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.handshake import external_ip
from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.bot_word import read_bot_word
from swarming_botgateway.usecases.record_event import ALLOWED_EVENTS, RecordEvent, TellEvent
from swarming_common.clock import Clock
from swarming_common.errors import InvalidInput
from swarming_common.http.body import read_json_object

REQUIRED_KEYS = ("dimensions", "state", "version")
KNOWN_KEYS = frozenset({*REQUIRED_KEYS, "session", "request_uuid", "event", "message"})


def event_routes(record: RecordEvent, clock: Clock, max_body_bytes: int) -> list[Route]:
    """The route."""

    async def take_event(request: Request) -> Response:
        body = await read_json_object(request, max_body_bytes)
        await record(_told(body, external_ip(request)), clock.now())
        return json_reply({})

    return [Route(f"{BASE}/event", take_event, methods=["POST"])]


def _told(body: Mapping[str, Any], ip: str) -> TellEvent:
    event_type, message = body.get("event"), body.get("message")
    if event_type not in ALLOWED_EVENTS:
        raise InvalidInput("event", f"expected one of {', '.join(ALLOWED_EVENTS)}")
    if not isinstance(message, str | None):
        raise InvalidInput("message", "expected a string")
    word = read_bot_word(body, KNOWN_KEYS, REQUIRED_KEYS)
    return TellEvent(word=word, event_type=event_type, message=message, external_ip=ip)
