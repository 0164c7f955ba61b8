"""`/bot_code`, `bot_code/{version}`, `/get_slave_code` and `/bootstrap`: how code comes to machines."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from swarming_botgateway.api.given import usecases_of
from swarming_botgateway.api.replies import BASE, error_reply
from swarming_botgateway.usecases.join import BotZip, NoSuchCode, TokenRefused
from swarming_common.errors import Unavailable

CACHE_SECONDS = 3600
"""A version is a hash, so what it names never changes; how long is 2015's."""

REFUSAL = "tok: expected a token of the last hour; `swarming bootstrap join` makes one"


async def current(request: Request) -> Response:
    """The zip that a new bot gets."""
    use = usecases_of(request)
    return _zip_reply(await use.join.code(request.query_params.get("tok"), use.clock.now()), is_versioned=False)


async def versioned(request: Request) -> Response:
    """The zip that a bot was told to update to."""
    return _zip_reply(await usecases_of(request).join.code_of(request.path_params["version"]), is_versioned=True)


async def bootstrap(request: Request) -> Response:
    """The script that makes a machine a bot."""
    use = usecases_of(request)
    try:
        script = await use.join.script(request.query_params.get("tok"), use.clock.now())
    except Unavailable:
        return _script_reply(_complaint("A part of Swarming is away just now; try again."), 503)
    if isinstance(script, TokenRefused):
        return _script_reply(_complaint(REFUSAL), 403)
    return _script_reply(script, 200)


BOT_CODE_ROUTES = [
    Route(path, endpoint, methods=["GET"])
    for path, endpoint in (
        ("/bot_code", current),
        ("/get_slave_code", current),
        ("/get_slave_code/{version}", versioned),
        (f"{BASE}/bot_code/{{version}}", versioned),
        ("/bootstrap", bootstrap),
    )
]
"""Today's, and those of 2015."""


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
