"""The client API at both of its addresses."""

from fastapi import FastAPI
from starlette.routing import Route

from swarming_frontend.api.bot_commands import bot_commands
from swarming_frontend.api.bots import bots
from swarming_frontend.api.server import server
from swarming_frontend.api.task import task
from swarming_frontend.api.task_commands import task_commands
from swarming_frontend.api.tasks import new_task, tasks
from swarming_frontend.api.uploads import uploads
from swarming_frontend.api.why import why
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.usecases.registry import Usecases

API_PREFIX = "/api/swarming/v1"
OLD_API_PREFIX = "/_ah/api/swarming/v1"
"""Where the client of 2021 looks for it."""


def hot_routes(use: Usecases, settings: FrontendSettings) -> list[Route]:
    """`tasks/new` at both addresses: what users wait for."""
    submit = new_task(use, settings)
    return [Route(f"{prefix}/tasks/new", submit, methods=["POST"]) for prefix in (API_PREFIX, OLD_API_PREFIX)]


def add_client_api(app: FastAPI, use: Usecases, settings: FrontendSettings) -> None:
    """Every other route of the client API, at its address and at the old one."""
    routers = (
        tasks(use, settings),
        task(use),
        task_commands(use, settings),
        why(use),
        bots(use),
        bot_commands(use, settings),
        server(use, settings),
        uploads(use),
    )
    for router in routers:
        for prefix in (API_PREFIX, OLD_API_PREFIX):
            app.include_router(router, prefix=prefix, include_in_schema=prefix == API_PREFIX)
