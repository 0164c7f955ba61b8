"""GET server_ping: is there a server?"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from swarming_botgateway.api.replies import BASE


def server_ping_routes() -> list[Route]:
    """The routes: in the protocol's place and at the site's root."""

    async def ping(request: Request) -> Response:
        del request
        return PlainTextResponse("Server up")

    return [Route(path, ping, methods=["GET"]) for path in (f"{BASE}/server_ping", "/server_ping")]
