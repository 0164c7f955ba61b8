"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

from collections.abc import Callable, Mapping

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

Checks = Mapping[str, Callable[[], bool]]
"""What must be there to serve, by name: each says whether it is, without waiting."""


def operations(checks: Checks) -> APIRouter:
    """The routes that operators and supervisors ask."""
    router = APIRouter(tags=["operations"])

    @router.get("/healthz")
    async def healthz() -> dict[str, bool]:
        """Whether the process lives."""
        return {"ok": True}

    @router.get("/readyz")
    async def readyz() -> JSONResponse:
        """Whether it can serve: 200, or 503 with what is missing."""
        found = {name: check() for name, check in checks.items()}
        return JSONResponse(found, status_code=200 if all(found.values()) else 503)

    @router.get("/metrics")
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
