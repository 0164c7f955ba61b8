"""Errors in the API's dialect: a status and `{"error":{"message":"…"}}`; the one place that chooses statuses."""

from collections.abc import Callable, Mapping

import pydantic_core
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from swarming_common.database.health import reason_in_words
from swarming_common.errors import (
    DatabaseAway,
    DataRejected,
    InvalidInput,
    NotAllowed,
    NotFound,
    SwarmingError,
    Unavailable,
)
from swarming_common.http.body import BodyTooLarge
from swarming_common.invalid import invalid_parameter
from swarming_frontend.admission import TooManyPending

log = structlog.get_logger(__name__)

RETRY_AFTER_SECONDS = 2
"""What a caller is told while the database is away: about how long a restart takes."""

UNPLANNED = "something went wrong in Swarming"

ErrorAnswer = Callable[[Request, int, str, Mapping[str, str] | None], Response]
"""Writes a status, a message and headers in the dialect that the request speaks."""

STATUSES: Mapping[type[SwarmingError], int] = {
    InvalidInput: 400,
    DataRejected: 400,
    NotAllowed: 403,
    NotFound: 404,
    BodyTooLarge: 413,
    TooManyPending: 429,
    Unavailable: 503,
}


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as clients of this API read it."""
    body = pydantic_core.to_json({"error": {"message": message}})
    return Response(body, status, headers, media_type="application/json")


def answer_errors_of(app: FastAPI, answer: ErrorAnswer = lambda _, *parts: error_response(*parts)) -> None:
    """Make the app answer every error, with the status that belongs to it and a sentence that is safe to tell."""

    async def swarming_error(request: Request, error: Exception) -> Response:
        return answer(request, *_of_swarming_error(error))

    async def invalid_query(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return answer(request, 400, str(invalid_parameter(error.errors())), None)

    async def http_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return answer(request, error.status_code, _http_message(request, error), error.headers)

    async def client_left(request: Request, error: Exception) -> Response:
        del error
        log.info("client_left", path=request.url.path)
        return answer(request, 400, "body: expected all of it", None)

    async def unplanned(request: Request, error: Exception) -> Response:
        log.error("request_failed", exc_info=error)
        return answer(request, 500, UNPLANNED, None)

    app.add_exception_handler(SwarmingError, swarming_error)
    app.add_exception_handler(RequestValidationError, invalid_query)
    app.add_exception_handler(HTTPException, http_error)
    app.add_exception_handler(ClientDisconnect, client_left)
    app.add_exception_handler(Exception, unplanned)


def _of_swarming_error(error: Exception) -> tuple[int, str, Mapping[str, str] | None]:
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), 500)
    if status == 503:
        log.warning("request_unserved", reason=str(error))
        retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
        part = reason_in_words(error) if isinstance(error, DatabaseAway) else "a part of Swarming is away"
        return 503, f"{part} just now, try again", retry
    if isinstance(error, TooManyPending):
        return status, str(error), {"Retry-After": str(error.retry_after_seconds)}
    if isinstance(error, DataRejected):
        log.warning("data_rejected", reason=str(error))
        return 400, "body: expected values that the database can hold", None
    if status == 500:
        log.error("request_failed", exc_info=error)
        return 500, UNPLANNED, None
    return status, str(error), None


def _http_message(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"there is nothing at {request.url.path}"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return f"{request.method} is not possible here, only {allowed}"
    return str(error.detail)
