"""Builds the frontend from its settings and ports."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.types import ASGIApp

from swarming_common.database.health import DatabaseHealth
from swarming_common.http.hot_routes import below
from swarming_common.http.operations import expect
from swarming_common.lifecycle import BuildService, Ports
from swarming_common.pools.file import open_pools
from swarming_common.pools.port import Pools, PoolSettings
from swarming_frontend.admission import Admission
from swarming_frontend.api.routes import HOT_ROUTES
from swarming_frontend.app import app
from swarming_frontend.commands import Commands
from swarming_frontend.replies import Replies
from swarming_frontend.settings import FrontendSettings
from swarming_frontend.store.shards import count_shards
from swarming_frontend.usecases.bot_past import BotPast
from swarming_frontend.usecases.cancel import Cancel
from swarming_frontend.usecases.cancel_tasks import CancelByTags
from swarming_frontend.usecases.current_bot_code import CurrentBotCode
from swarming_frontend.usecases.delete_bots import DeleteBots
from swarming_frontend.usecases.enrol import Enrol
from swarming_frontend.usecases.list_bots import ListBots
from swarming_frontend.usecases.list_tasks import ListTasks
from swarming_frontend.usecases.read_output import ReadTaskOutput
from swarming_frontend.usecases.read_task import ReadTask
from swarming_frontend.usecases.registry import Usecases
from swarming_frontend.usecases.restrict_bot import SetBots
from swarming_frontend.usecases.retry import Retry
from swarming_frontend.usecases.set_priority import Reprioritize
from swarming_frontend.usecases.submit import Submit
from swarming_frontend.usecases.terminate_bot import Terminate
from swarming_frontend.usecases.uploads import Uploads
from swarming_frontend.usecases.why import WhyPending
from swarming_frontend.waiting import News


def build(settings: FrontendSettings) -> BuildService:
    """The frontend as lifecycle.py runs it."""

    @asynccontextmanager
    async def service(ports: Ports) -> AsyncIterator[ASGIApp]:
        async with (
            open_pools(settings.pools_file, PoolSettings()) as pools,
            _serving(settings, ports, pools) as frontend,
        ):
            yield frontend

    return service


@asynccontextmanager
async def _serving(settings: FrontendSettings, ports: Ports, pools: Pools) -> AsyncIterator[ASGIApp]:
    replies = Replies(frontend_id=uuid.uuid4().hex)
    shard_count = await ports.database.read(count_shards)
    admission = Admission(pools, shard_count)
    news = News(ports.cache, ports.clock, ports.stopping)
    commands = Commands(database=ports.database, bus=ports.bus, replies=replies)
    submit = Submit(
        database=ports.database,
        bus=ports.bus,
        shard_count=shard_count,
        guarded_priority=settings.guarded_priority,
        admission=admission,
    )
    health = DatabaseHealth(ports.database, ports.clock)
    list_bots = ListBots(ports.database, settings.bot_death_timeout_secs)
    use = Usecases(
        clock=ports.clock,
        submit=submit,
        cancel=Cancel(ports.database, commands),
        cancel_by_tags=CancelByTags(ports.database, commands),
        reprioritize=Reprioritize(ports.database, commands, settings.guarded_priority),
        retry=Retry(ports.database, submit),
        read_task=ReadTask(ports.database, news),
        read_output=ReadTaskOutput(ports.database, news),
        list_tasks=ListTasks(ports.database),
        list_bots=list_bots,
        bot_past=BotPast(ports.database),
        set_bots=SetBots(ports.database, ports.bus),
        delete_bots=DeleteBots(ports.database, commands, list_bots),
        terminate=Terminate(ports.database, submit, shard_count),
        why=WhyPending(
            database=ports.database,
            bus=ports.bus,
            replies=replies,
            death_timeout_secs=settings.bot_death_timeout_secs,
            pools=pools,
            shard_count=shard_count,
            health=health,
        ),
        health=health,
        uploads=Uploads(ports.database, ports.bus),
        enrol=Enrol(ports.database),
        current_bot_code=CurrentBotCode(ports.database),
    )
    await replies.open(ports.bus)
    await admission.open(ports.bus)
    try:
        # Without the bus it still serves: what it writes is found in the tables.
        serving = expect(lambda: not ports.stopping.is_set(), "this process is stopping")
        checks = {"serving": serving, "database": health.trouble, **ports.checks}
        yield below(app, HOT_ROUTES, {"usecases": use, "settings": settings, "checks": checks})
    finally:
        await health.close()
        await use.submit.close()
        await commands.close()
        await replies.close()
        await admission.close()
