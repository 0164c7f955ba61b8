"""The client API at both of its addresses."""

from fastapi import APIRouter

from swarming_frontend.api.bots import bots
from swarming_frontend.api.task import task
from swarming_frontend.api.tasks import tasks
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.usecases.registry import Usecases

API_PREFIX = "/api/swarming/v1"
OLD_API_PREFIX = "/_ah/api/swarming/v1"
"""Where the client of 2021 looks for it."""


def client_api(use: Usecases, settings: FrontendSettings) -> APIRouter:
    """Every route of the client API, once as it is and once at the old address."""
    routes = APIRouter()
    routes.include_router(tasks(use, settings))
    routes.include_router(task(use, settings))
    routes.include_router(bots(use))
    both = APIRouter()
    both.include_router(routes, prefix=API_PREFIX)
    both.include_router(routes, prefix=OLD_API_PREFIX, include_in_schema=False)
    return both
