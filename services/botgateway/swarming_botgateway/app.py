"""The gateway's app with all its routes: one for the process, whatever number of gateways live in it."""

from fastapi import FastAPI
from starlette.routing import BaseRoute

from swarming_botgateway.api.bot_code import BOT_CODE_ROUTES
from swarming_botgateway.api.errors import HANDLERS
from swarming_botgateway.api.event import EVENT_ROUTES
from swarming_botgateway.api.handshake import HANDSHAKE_ROUTES
from swarming_botgateway.api.old_error import OLD_ERROR_ROUTES
from swarming_botgateway.api.poll import POLL_ROUTES
from swarming_botgateway.api.server_ping import SERVER_PING_ROUTES
from swarming_botgateway.api.task_error import TASK_ERROR_ROUTES
from swarming_botgateway.api.task_update import TASK_UPDATE_ROUTES
from swarming_botgateway.api.tokens import TOKEN_ROUTES
from swarming_common.http.operations import operations

BOT_ROUTES = [
    *POLL_ROUTES,
    *TASK_UPDATE_ROUTES,
    *TASK_ERROR_ROUTES,
    *HANDSHAKE_ROUTES,
    *EVENT_ROUTES,
    *OLD_ERROR_ROUTES,
    *TOKEN_ROUTES,
    *SERVER_PING_ROUTES,
    *BOT_CODE_ROUTES,
]
"""What bots ask, the busiest first."""

app = FastAPI(
    title="Swarming bot gateway",
    routes=list[BaseRoute](BOT_ROUTES),
    exception_handlers=HANDLERS,
    redirect_slashes=False,
    openapi_url=None,
)
app.include_router(operations)
