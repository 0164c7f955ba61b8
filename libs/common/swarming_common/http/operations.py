"""`/healthz`, `/readyz` and `/metrics`, the same on every service."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

Check = Callable[[], Awaitable[str | None]]
"""Says what is wrong, in words for people, or None; within two seconds."""

Checks = Mapping[str, Check]
"""What must be there to serve, by name."""


def expect(is_well: Callable[[], bool], trouble: str) -> Check:
    """A check of what is known without asking: this trouble whenever it is not well."""

    async def check() -> str | None:
        return None if is_well() else trouble

    return check


operations = APIRouter(tags=["operations"])
"""The routes that operators and supervisors ask. The instance's state has its `checks`."""


@operations.get("/healthz")
async def healthz() -> dict[str, bool]:
    """Whether the process lives."""
    return {"ok": True}


@operations.get("/readyz")
async def readyz(request: Request) -> JSONResponse:
    """Whether it can serve: 200, or 503 with what is wrong."""
    checks: Checks = request.state.checks
    troubles = dict(zip(checks, await asyncio.gather(*(check() for check in checks.values())), strict=True))
    wrong = {name: trouble for name, trouble in troubles.items() if trouble is not None}
    found = {name: name not in wrong for name in troubles}
    return JSONResponse(found | ({"wrong": wrong} if wrong else {}), status_code=503 if wrong else 200)


@operations.get("/metrics")
async def metrics() -> Response:
    """Prometheus metrics."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
