"""Whether the standalone's own bots have joined: before that it is not ready, and what people ask for waits.

A task that comes before them would be answered NO_RESOURCE, though the bots that can run it are about to join.
"""

import asyncio
import sys
from collections.abc import Callable

from sqlalchemy import Connection, select
from starlette.types import ASGIApp, Receive, Scope, Send

from swarming_common.database.tables import bot
from swarming_common.errors import DatabaseAway
from swarming_common.http.paths import EVERYTHING_ELSE, service_of
from swarming_common.lifecycle import Ports
from swarming_standalone.bots import LocalBots

JOIN_SECONDS = 30.0
"""How long requests wait for bots that neither join nor end."""

LOOK_SECONDS = 0.02

WATCH_SECONDS = 1.0
"""How often it is looked, later on, whether the bots still run."""


class LocalBotsReadiness:
    """Watches the local bots from their start on."""

    def __init__(self, bots: LocalBots, ports: Ports, tell: Callable[[str], None]) -> None:
        """`tell` is given lines for the person at the terminal."""
        self._bots = bots
        self._ports = ports
        self._tell = tell
        self._settled = asyncio.Event()
        if not bots.ids:
            self._settled.set()

    async def trouble(self) -> str | None:
        """What `/readyz` says: that the bots are still joining, or that they ended."""
        if (exit_code := self._bots.exit_code) is not None:
            return f"the local bots ended with exit code {exit_code}; what they said is in the terminal"
        return None if self._settled.is_set() else "the local bots are still joining"

    async def watch(self) -> None:
        """Find out when they have joined; then, whether they still run."""
        since, loop = self._ports.clock.now(), asyncio.get_running_loop()
        deadline = loop.time() + JOIN_SECONDS

        def joined(connection: Connection) -> set[str]:
            seen = select(bot.c.bot_id).where(bot.c.bot_id.in_(self._bots.ids), bot.c.last_seen_ts >= since)
            return set(connection.execute(seen).scalars())

        while self._bots.exit_code is None and loop.time() < deadline:
            try:
                if await self._ports.database.read(joined) == self._bots.ids:
                    break
            except DatabaseAway:
                pass  # the next look may find it back
            await asyncio.sleep(LOOK_SECONDS)
        self._settled.set()
        while self._bots.exit_code is None:  # noqa: ASYNC110 - a process that ends wakes nobody
            await asyncio.sleep(WATCH_SECONDS)
        self._tell(f"The local bots ended with exit code {self._bots.exit_code}; the lines above say why.")

    async def settled(self) -> None:
        """Wait until they have joined, ended, or had time enough."""
        await self._settled.wait()

    def holding(self, app: ASGIApp) -> ASGIApp:
        """The same app, in which what people ask for waits until the bots have joined."""

        async def held(scope: Scope, receive: Receive, send: Send) -> None:
            is_change = scope["type"] == "http" and scope["method"] == "POST"
            if is_change and not self._settled.is_set() and service_of(scope["path"]) == EVERYTHING_ELSE:
                await self._settled.wait()
            await app(scope, receive, send)

        return held


def tell_on_terminal(line: str) -> None:
    """Say it to whoever started this."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
