"""`/bot_code`, `bot_code/{version}`, `/get_slave_code` and `/bootstrap`: how code comes to machines."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.replies import BASE, error_reply
from swarming_botgateway.usecases.join import BotZip, Join, NoSuchCode, TokenRefused
from swarming_common.clock import Clock
from swarming_common.errors import Unavailable

CACHE_SECONDS = 3600
"""A version is a hash, so what it names never changes; how long is 2015's."""

REFUSAL = "tok: expected a token of the last hour; `swarming bootstrap join` makes one"


def bot_code_routes(join: Join, clock: Clock) -> list[Route]:
    """The routes: today's, and those of 2015."""

    async def current(request: Request) -> Response:
        return _zip_reply(await join.code(request.query_params.get("tok"), clock.now()), is_versioned=False)

    async def versioned(request: Request) -> Response:
        return _zip_reply(await join.code_of(request.path_params["version"]), is_versioned=True)

    async def bootstrap(request: Request) -> Response:
        try:
            script = await join.script(request.query_params.get("tok"), clock.now())
        except Unavailable:
            return _script_reply(_complaint("A part of Swarming is away just now; try again."), 503)
        if isinstance(script, TokenRefused):
            return _script_reply(_complaint(REFUSAL), 403)
        return _script_reply(script, 200)

    return [
        _get("/bot_code", current),
        _get("/get_slave_code", current),
        _get("/get_slave_code/{version}", versioned),
        _get(f"{BASE}/bot_code/{{version}}", versioned),
        _get("/bootstrap", bootstrap),
    ]


def _get(path: str, endpoint: Callable[..., object]) -> Route:
    return Route(path, endpoint, methods=["GET"])


def _zip_reply(answer: BotZip | NoSuchCode | TokenRefused, *, is_versioned: bool) -> Response:
    if isinstance(answer, TokenRefused):
        return error_reply(REFUSAL, 403)
    if isinstance(answer, NoSuchCode):
        return error_reply("version: expected one that this server has served", 404)
    headers = {
        "X-Swarming-Bot-Version": answer.version,
        "Content-Disposition": 'attachment; filename="swarming_bot.zip"',
        "Cache-Control": f"public, max-age={CACHE_SECONDS}" if is_versioned else "no-store",
    }
    return Response(answer.content, headers=headers, media_type="application/zip")


def _script_reply(script: str, status_code: int) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(script, status_code, headers=headers, media_type="text/x-python")


def _complaint(message: str) -> str:
    """A script too: it is piped into a Python that never sees the status."""
    return f"import sys\nsys.exit({message!r})\n"
