"""POST error: how bots of 2015 told of trouble before there were events."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of, usecases_of
from swarming_botgateway.api.replies import BASE, json_reply
from swarming_botgateway.api.sender import external_ip
from swarming_botgateway.api.spoken import read_spoken_object
from swarming_botgateway.api.strict import Message, read_message
from swarming_botgateway.bot_word import read_bot_word
from swarming_botgateway.usecases.record_event import TellEvent


class OldError(Message):
    """All that such a bot says."""

    id: str
    message: str


async def take_old_error(request: Request) -> Response:
    """Nothing, once the trouble is written."""
    use = usecases_of(request)
    message = read_message(OldError, await read_spoken_object(request, settings_of(request).max_poll_body_bytes))
    word = read_bot_word({"dimensions": {"id": [message.id]}}, ())
    told = TellEvent(word=word, event_type="bot_error", message=message.message, external_ip=external_ip(request))
    await use.record_event(told, use.clock.now())
    return json_reply({})


OLD_ERROR_ROUTES = [Route(f"{BASE}/error", take_old_error, methods=["POST"])]
