"""POST oauth_token and id_token: a task wants to be a service account. This server has none to lend."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import settings_of
from swarming_botgateway.api.replies import BASE, error_reply
from swarming_botgateway.api.spoken import read_spoken_object


async def refuse(request: Request) -> Response:
    """An error that says so."""
    await read_spoken_object(request, settings_of(request).max_poll_body_bytes)
    # A 400 is the one refusal whose text upstream's bot shows; anything else it takes for a server that is away.
    return error_reply("account_id: expected none; this server has no tokens of service accounts", 400)


TOKEN_ROUTES = [Route(f"{BASE}/{name}", refuse, methods=["POST"]) for name in ("oauth_token", "id_token")]
