"""Builds the frontend from its settings and ports."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import ASGIApp

from swarming_common.http.hot_routes import below
from swarming_common.http.operations import operations
from swarming_common.lifecycle import BuildService, Ports
from swarming_frontend.api.errors import answer_errors_of
from swarming_frontend.api.routes import add_client_api, hot_routes
from swarming_frontend.pages.routes import add_pages, answer_error
from swarming_frontend.replies import Replies
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.store.shards import count_shards
from swarming_frontend.usecases.cancel import Cancel
from swarming_frontend.usecases.list_bots import ListBots
from swarming_frontend.usecases.list_tasks import ListTasks
from swarming_frontend.usecases.read_output import ReadTaskOutput
from swarming_frontend.usecases.read_task import ReadTask
from swarming_frontend.usecases.registry import Usecases
from swarming_frontend.usecases.submit import Submit
from swarming_frontend.waiting import News


def build(settings: FrontendSettings) -> BuildService:
    """The frontend as lifecycle.py runs it."""

    @asynccontextmanager
    async def service(ports: Ports) -> AsyncIterator[ASGIApp]:
        replies = Replies(frontend_id=uuid.uuid4().hex)
        shard_count = await ports.database.read(count_shards)
        news = News(ports.cache, ports.clock, ports.stopping)
        use = Usecases(
            clock=ports.clock,
            submit=Submit(
                database=ports.database,
                bus=ports.bus,
                shard_count=shard_count,
                guarded_priority=settings.guarded_priority,
            ),
            cancel=Cancel(database=ports.database, bus=ports.bus, replies=replies),
            read_task=ReadTask(ports.database, news),
            read_output=ReadTaskOutput(ports.database, news),
            list_tasks=ListTasks(ports.database),
            list_bots=ListBots(ports.database, settings.bot_death_timeout_secs),
        )
        await replies.open(ports.bus)
        try:
            yield make_app(use, settings, ports)
        finally:
            await use.submit.close()
            await use.cancel.close()
            await replies.close()

    return service


def make_app(use: Usecases, settings: FrontendSettings, ports: Ports) -> ASGIApp:
    """All routes of the frontend."""
    app = FastAPI(title="Swarming", description="Hands tasks to machines.", docs_url=None, redoc_url=None)
    hot = hot_routes(use, settings)
    app.router.routes.extend(hot)  # so that another method on their paths is told which ones there are
    add_client_api(app, use, settings)
    add_pages(app, use)
    # A frontend without the bus still serves: what it writes is found in the tables.
    app.include_router(operations({"serving": lambda: not ports.stopping.is_set()}))
    answer_errors_of(app, answer_error)
    return below(app, hot)
