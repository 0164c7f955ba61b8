"""The client API at both of its addresses."""

from fastapi import FastAPI

from swarming_frontend.api.bots import bots
from swarming_frontend.api.task import task
from swarming_frontend.api.tasks import new_task, tasks
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.usecases.registry import Usecases

API_PREFIX = "/api/swarming/v1"
OLD_API_PREFIX = "/_ah/api/swarming/v1"
"""Where the client of 2021 looks for it."""


def add_client_api(app: FastAPI, use: Usecases, settings: FrontendSettings) -> None:
    """Every route of the client API, at its address and at the old one.

    To be called first: a request is compared with the routes in their order, so the hot one stands before all.
    """
    submit = new_task(use, settings)
    for prefix in (API_PREFIX, OLD_API_PREFIX):
        app.add_route(f"{prefix}/tasks/new", submit, methods=["POST"])
    for router in (tasks(use), task(use, settings), bots(use)):
        for prefix in (API_PREFIX, OLD_API_PREFIX):
            app.include_router(router, prefix=prefix, include_in_schema=prefix == API_PREFIX)
