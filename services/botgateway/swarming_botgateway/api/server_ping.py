"""GET server_ping: is there a server?"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from swarming_botgateway.api.replies import BASE


async def ping(request: Request) -> Response:
    """Yes."""
    del request
    return PlainTextResponse("Server up")


SERVER_PING_ROUTES = [Route(path, ping, methods=["GET"]) for path in (f"{BASE}/server_ping", "/server_ping")]
"""In the protocol's place and at the site's root."""
