"""What the statistics answer over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.responses import JSONResponse

from swarming_common.errors import Unavailable
from swarming_common.invalid import invalid_parameter
from swarming_common.lifecycle import Ports
from swarming_stats.store import minutes

MAX_MINUTES = 24 * 60


class Minute(BaseModel):
    """How often something happened in a minute, in a pool. `seconds` sums what those events measured."""

    minute_ts: datetime
    pool: str
    event: str
    count: int
    seconds: float


class Minutes(BaseModel):
    """The minutes asked for, oldest first; a minute without events is not listed."""

    items: list[Minute]
    now: datetime


counts = APIRouter(prefix="/api/swarming/v1/stats", tags=["stats"])
"""The API of counts. The instance's state has its `ports`."""


async def _ports(request: Request) -> Ports:
    ports: Ports = request.state.ports
    return ports


@counts.get("/minutes")
async def last_minutes(
    ports: Annotated[Ports, Depends(_ports)], duration: Annotated[int, Query(ge=1, le=MAX_MINUTES)] = 120
) -> Minutes:
    """The events of the last `duration` minutes."""
    now = ports.clock.now()
    rows = await ports.database.read(lambda c: minutes(c, now - timedelta(minutes=duration), now))
    return Minutes(items=[Minute(**row) for row in rows], now=now)


def answer_errors(app: FastAPI) -> None:
    """Errors in the shape of the client API: `{"error": {"message": …}}`, naming the field."""

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return _error(400, str(invalid_parameter(error.errors())))

    @app.exception_handler(404)
    async def unknown(request: Request, _: Exception) -> JSONResponse:
        return _error(404, f"{request.url.path}: there is no such page")

    @app.exception_handler(405)
    async def wrong_method(request: Request, _: Exception) -> JSONResponse:
        return _error(405, f"{request.method}: this path does not take it")

    @app.exception_handler(Unavailable)
    async def away(_: Request, error: Unavailable) -> JSONResponse:
        return _error(503, str(error))


def _error(status: int, message: str) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status_code=status)
