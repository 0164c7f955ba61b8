"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Checks = Mapping[str, Callable[[], bool]]
"""What must be there to serve, by name: each says whether it is, without waiting."""

operations = APIRouter(tags=["operations"])
"""The routes that operators and supervisors ask. The instance's state has its `checks`."""


@operations.get("/healthz")
async def healthz() -> dict[str, bool]:
    """Whether the process lives."""
    return {"ok": True}


@operations.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Whether it can serve: 200, or 503 with what is missing."""
    checks: Checks = request.state.checks
    found = {name: check() for name, check in checks.items()}
    return JSONResponse(found, status_code=200 if all(found.values()) else 503)


@operations.get("/metrics")
async def metrics() -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
