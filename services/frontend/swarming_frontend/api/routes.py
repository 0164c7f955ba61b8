"""The client API at both of its addresses."""

from fastapi import FastAPI
from starlette.routing import Route

from swarming_frontend.api import bot_commands, bots, server, task, task_commands, tasks, uploads, why

API_PREFIX = "/api/swarming/v1"
OLD_API_PREFIX = "/_ah/api/swarming/v1"
"""Where the client of 2021 looks for it."""

PREFIXES = (API_PREFIX, OLD_API_PREFIX)

HOT_ROUTES = [Route(f"{prefix}/tasks/new", tasks.new, methods=["POST"]) for prefix in PREFIXES]
"""What users wait for."""


def add_client_api(app: FastAPI) -> None:
    """Every other route of the client API, at its address and at the old one."""
    for area in (tasks, task, task_commands, why, bots, bot_commands, server, uploads):
        for prefix in PREFIXES:
            app.include_router(area.router, prefix=prefix, include_in_schema=prefix == API_PREFIX)
