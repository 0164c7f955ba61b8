"""POST event: something happened to a bot."""

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.grown import json_bytes, read_grown_object
from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.api.sender import external_ip, sender_of
from swarming_botgateway.api.unknown_fields import count_unknown_keys
from swarming_botgateway.bot_word import read_bot_word
from swarming_botgateway.usecases.record_event import ALLOWED_EVENTS, TellEvent
from swarming_common.errors import InvalidInput
from swarming_common.http.body import BodyTooLarge

REQUIRED_KEYS = ("dimensions", "state", "version")
KNOWN_KEYS = frozenset({*REQUIRED_KEYS, "session", "request_uuid", "event", "message"})


async def take_event(request: Request) -> Response:
    """Nothing, once the event is written."""
    use = usecases_of(request)
    settings = settings_of(request)
    body = await read_grown_object(request, settings)
    # Kept whole or not at all; the traceback of a hook that lets the state grow is short.
    if json_bytes(body.get("message")) > settings.max_poll_body_bytes:
        raise BodyTooLarge(settings.max_poll_body_bytes)
    await use.record_event(_told(body, request), use.clock.now())
    return json_reply({})


EVENT_ROUTES = [Route(f"{BASE}/event", take_event, methods=["POST"])]


def _told(body: Mapping[str, Any], request: Request) -> TellEvent:
    event_type, message = body.get("event"), body.get("message")
    if event_type not in ALLOWED_EVENTS:
        raise InvalidInput("event", f"expected one of {', '.join(ALLOWED_EVENTS)}")
    if not isinstance(message, str | None):
        raise InvalidInput("message", "expected a string")
    count_unknown_keys("event", body, KNOWN_KEYS)
    word = read_bot_word(body, REQUIRED_KEYS, sender=sender_of(request))
    return TellEvent(word=word, event_type=event_type, message=message, external_ip=external_ip(request))
