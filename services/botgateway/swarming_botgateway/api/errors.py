"""Maps errors to HTTP statuses. Bots retry 5xx, and give up on 4xx; a 404 must be JSON or they retry that too."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from swarming_botgateway.api.replies import error_reply
from swarming_common.errors import DataRejected, InvalidInput, SwarmingError, Unavailable
from swarming_common.http.body import BodyTooLarge

log = structlog.get_logger(__name__)

Handler = Callable[[Request, Any], Coroutine[Any, Any, Response]]

_STATUSES: dict[type[SwarmingError], int] = {BodyTooLarge: 413, InvalidInput: 400, Unavailable: 503}


async def _known(request: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUSES.items() if isinstance(error, kind)), 500)
    log.info("request_refused", path=request.url.path, status=status, reason=str(error))
    return error_reply(str(error), status)


async def _rejected(request: Request, error: Exception) -> Response:
    log.warning("data_rejected", path=request.url.path, reason=str(error))
    return error_reply("body: expected values that can be stored", 400)


async def _http(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    expected = {
        404: "path: expected one of the bot protocol",
        405: "method: expected another for this path",
    }
    reply = error_reply(expected.get(status, "the request cannot be served"), status)
    if isinstance(error, HTTPException) and error.headers:
        reply.headers.update(error.headers)
    return reply


async def _left(request: Request, error: Exception) -> Response:
    del error
    log.info("client_left", path=request.url.path)
    return error_reply("body: expected all of it", 400)


async def _unexpected(request: Request, error: Exception) -> Response:
    log.error("request_failed", path=request.url.path, exc_info=error)
    return error_reply("the server failed; it is not the bot's fault", 500)


HANDLERS: dict[int | type[Exception], Handler] = {
    **dict.fromkeys(_STATUSES, _known),
    DataRejected: _rejected,
    HTTPException: _http,
    ClientDisconnect: _left,
    Exception: _unexpected,
}
