"""A gateway on the embedded adapters, with a test that plays the bots and the shards."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
from sqlalchemy import Table, insert, select, update
from starlette.types import ASGIApp

from swarming_botgateway.bootstrap import build
from swarming_botgateway.settings import BotGatewaySettings
from swarming_common.bus.in_process import InProcessBus
from swarming_common.cache.in_process import InProcessCache
from swarming_common.database import tables
from swarming_common.database.sqlite import open_sqlite
from swarming_common.hints import addresses
from swarming_common.hints.gateway import BidMade, RunAssigned, ShardAlive
from swarming_common.hints.scheduler import Offer, OfferMade
from swarming_common.hints.wire import Hint
from swarming_common.lifecycle import Ports
from swarming_common.model.request import TaskProperties
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId, new_task_id
from swarming_common.testing.contracts.waiting import DEADLINE_SECONDS

BASE = "/swarming/api/v1/bot"
DEFAULT_SHARD = shard_of_pool("default")

H = TypeVar("H", bound=Hint)

_numbers = count(1)


def some_settings(**changed: Any) -> BotGatewaySettings:
    """Holds that outlast a test, and background rounds that do not come by themselves."""
    quiet = {"hold_seconds": 50.0, "unfinished_hold_seconds": 50.0, "seen_seconds": 500, "heard_seconds": 500}
    return BotGatewaySettings(**(quiet | {"parting_seconds": 0} | changed))


def a_run_id(number: int = 1) -> RunId:
    return RunId(new_task_id(datetime.now(UTC), next(_numbers)), number)


def some_properties(**changed: Any) -> TaskProperties:
    plain: dict[str, Any] = {
        "command": ("true",),
        "dimensions": (("pool", "default"),),
        "execution_timeout_secs": 60,
    }
    return TaskProperties(**(plain | changed))


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


class Bot:
    """One bot process and what it says."""

    def __init__(self, bot_id: str, pools: tuple[str, ...] = ("default",), process: str = "p/1") -> None:
        self.bot_id = bot_id
        self.dimensions: dict[str, Any] = {"id": [bot_id], "os": ["Linux"], "pool": list(pools)}
        self.state: dict[str, Any] = {"running_time": 1, "sleep_streak": 0}
        self.process = process
        self.session: str | None = None
        self.version = "v1"

    def word(self, **more: Any) -> dict[str, Any]:
        return {"dimensions": self.dimensions, "state": self.state, "version": self.version, **more}

    def poll_body(self, **more: Any) -> dict[str, Any]:
        return self.word(session=self.session, request_uuid=f"uuid-{next(_numbers)}", **more)

    def update_body(self, run: RunId, **more: Any) -> dict[str, Any]:
        return {"id": self.bot_id, "task_id": str(run), "session": self.session, "cost_usd": 0.1, **more}


class Bus(InProcessBus):
    """An embedded bus whose connection a test can let come back."""

    def __init__(self) -> None:
        super().__init__()
        self.after_reconnect: list[Callable[[], None]] = []
        self.is_away = False

    @property
    def connected(self) -> bool:
        return not self.is_away

    def on_reconnect(self, call: Callable[[], None]) -> None:
        self.after_reconnect.append(call)


class World:
    def __init__(self, app: ASGIApp, ports: Ports) -> None:
        self.app = app
        self.ports = ports
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://gateway")
        self.heard: dict[int, list[Hint]] = {}
        self._polls: list[asyncio.Task[Any]] = []
        self._changed = asyncio.Condition()

    # --- the bots

    async def post(self, path: str, body: Any) -> httpx.Response:
        return await self.http.post(f"{BASE}/{path}", json=body)

    async def post_until(self, hang_up: asyncio.Event, path: str, body: Any) -> None:
        """A call by hand, so that the connection can close while it is held."""
        content = httpx.Request("POST", "http://gateway", json=body).content
        messages = [{"type": "http.request", "body": content, "more_body": False}]

        async def receive() -> dict[str, Any]:
            if messages:
                return messages.pop()
            async with asyncio.timeout(DEADLINE_SECONDS):
                await hang_up.wait()
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            del message

        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": f"{BASE}/{path}",
            "raw_path": f"{BASE}/{path}".encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [],
            "client": ("127.0.0.1", 1),
            "server": ("gateway", 80),
        }
        await self.app(scope, receive, send)

    async def a_connected_bot(self, bot_id: str = "bot1", **how: Any) -> Bot:
        bot = Bot(bot_id, **how)
        await self.shake_hands(bot)
        return bot

    async def shake_hands(self, bot: Bot) -> httpx.Response:
        response = await self.post("handshake", bot.word(session_id=bot.process))
        assert response.status_code == 200, response.text
        bot.session = response.json()["session"]
        return response

    def start_poll(self, bot: Bot) -> "asyncio.Task[dict[str, Any]]":
        """A poll that may be held."""

        async def poll() -> dict[str, Any]:
            answer: dict[str, Any] = (await self.post("poll", bot.poll_body())).json()
            return answer

        task = asyncio.create_task(poll())
        self._polls.append(task)
        return task

    async def held_poll(self, bot: Bot, shard: int = DEFAULT_SHARD) -> "tuple[asyncio.Task[dict[str, Any]], Offer]":
        """A poll that is held, and the offer that this shard got."""
        seen = len(self.of_kind(OfferMade, shard))
        poll = self.start_poll(bot)
        made = await self.hint(OfferMade, shard, number=seen)
        return poll, made.offer

    async def update(self, bot: Bot, run: RunId, **more: Any) -> httpx.Response:
        return await self.post(f"task_update/{run}", bot.update_body(run, **more))

    # --- the shards

    async def play_shards(self, count: int) -> None:
        for number in range(count):
            self.heard[number] = []
            mailbox = await self.ports.bus.open_mailbox(self._ear(number))
            await mailbox.listen(addresses.shard(number))

    def of_kind(self, kind: type[H], shard: int = DEFAULT_SHARD) -> list[H]:
        return [hint for hint in self.heard[shard] if isinstance(hint, kind)]

    async def hint(self, kind: type[H], shard: int = DEFAULT_SHARD, number: int = 0) -> H:
        """The first hint of a kind (or a later one), as soon as it has come."""
        async with asyncio.timeout(DEADLINE_SECONDS), self._changed:
            await self._changed.wait_for(lambda: len(self.of_kind(kind, shard)) > number)
        return self.of_kind(kind, shard)[number]

    def assign(self, offer: Offer, run: RunId, shard: int = DEFAULT_SHARD, **more: Any) -> None:
        assigned = {"properties": some_properties(), "bot_ping_tolerance_secs": 600} | more
        hint = RunAssigned(
            task_id=run.task_id,
            run_number=run.number,
            shard=shard,
            offer_id=offer.offer_id,
            bot_id=offer.bot_id,
            **assigned,
        )
        self.ports.bus.send(addresses.gateway(offer.gateway_id), hint)

    def bid(self, offer: Offer, rank: tuple[int, TaskId] | None, shard: int = DEFAULT_SHARD) -> None:
        made = BidMade(shard=shard, offer_id=offer.offer_id, bot_id=offer.bot_id, rank=rank)
        self.ports.bus.send(addresses.gateway(offer.gateway_id), made)

    def say_alive(self, offers: dict[str, int], epoch: int = 1, shard: int = DEFAULT_SHARD, **more: Any) -> None:
        self.ports.bus.send(addresses.ALL_GATEWAYS, ShardAlive(shard=shard, epoch=epoch, offers=offers, **more))

    def come_back(self) -> None:
        """The bus was away and is back."""
        assert isinstance(self.ports.bus, Bus)
        for call in self.ports.bus.after_reconnect:
            call()

    async def turn(self) -> None:
        """Let everything that was sent so far be read."""
        for _ in range(5):
            await asyncio.sleep(0)

    # --- the tables

    async def a_run(self, of_bot: str, shard: int = DEFAULT_SHARD, **changed: Any) -> RunId:
        """A run that the scheduler has given to a bot."""
        run = a_run_id()
        now = datetime.now(UTC)
        row: dict[str, Any] = {
            "task_id": run.task_id,
            "run_number": run.number,
            "shard": shard,
            "bot_id": of_bot,
            "state": int(TaskState.RUNNING),
            "slice": 0,
            "offer_id": "gateway-1",
            "revoked": False,
            "killing": False,
            "bot_snapshot_id": 1,
            "started_ts": now,
            "failure": False,
            "internal_failure": False,
        }
        await self.ports.database.write(lambda c: c.execute(insert(tables.task_run), row | changed))
        return run

    async def change_run(self, run: RunId, **changes: Any) -> None:
        statement = update(tables.task_run).where(tables.task_run.c.task_id == run.task_id).values(**changes)
        await self.ports.database.write(lambda c: c.execute(statement))

    async def rows(self, table: Table) -> list[Any]:
        return await self.ports.database.read(lambda c: list(c.execute(select(table)).all()))

    async def report_kinds(self) -> list[str]:
        return sorted(row.kind for row in await self.rows(tables.run_report))

    async def output(self, run: RunId) -> dict[int, bytes]:
        rows = await self.rows(tables.task_output)
        return {row.start: row.content for row in rows if TaskId(row.task_id) == run.task_id}

    async def close(self) -> None:
        for poll in self._polls:
            poll.cancel()
        await asyncio.gather(*self._polls, return_exceptions=True)
        await self.http.aclose()

    def _ear(self, shard: int) -> Callable[[Hint], None]:
        def read(hint: Hint) -> None:
            self.heard[shard].append(hint)
            asyncio.get_running_loop().create_task(self._tell())

        return read

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def opened_ports(folder: Path) -> AsyncIterator[Ports]:
    """Embedded ports on a migrated folder."""
    ports = Ports(database=await open_sqlite(folder), bus=Bus(), cache=InProcessCache())
    await ports.clock.measure(ports.database)
    try:
        yield ports
    finally:
        await ports.bus.close()
        await ports.cache.close()
        await ports.database.close()


@asynccontextmanager
async def a_world(folder: Path, settings: BotGatewaySettings | None = None) -> AsyncIterator[World]:
    """A gateway that serves, on a migrated folder."""
    async with opened_ports(folder) as ports, build(settings or some_settings())(ports) as app:
        world = World(app, ports)
        await world.play_shards(16)
        try:
            yield world
        finally:
            await world.close()
