"""A stand-in for the owner of a shard."""

import asyncio
from typing import Any

from sqlalchemy import select

from swarming_common.database.tables import command
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.scheduler import CommandGiven
from swarming_common.hints.wire import Hint


class Shard:
    """Answers every command at once, as its scheduler would; says nothing while `answer` is None."""

    def __init__(self, frontend) -> None:
        self.frontend = frontend
        self.answer: dict[str, Any] | None = None
        self.heard: list[Hint] = []
        self.told = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def read(self, hint: Hint) -> None:
        if isinstance(hint, CommandGiven):
            self.heard.append(hint)
            task = asyncio.create_task(self._answer(hint))
            self._tasks.add(task)

    async def _answer(self, hint: CommandGiven) -> None:
        rows = await commands(self.frontend)
        reply_to = next(row.reply_to for row in rows if row.command_id == hint.command_id)
        if self.answer is not None:
            done = CommandDone(command_id=hint.command_id, **self.answer)
            for _ in range(2):  # every hint may come twice
                self.frontend.bus.send(addresses.frontend(reply_to), done)
        self.told.set()


async def commands(frontend):
    return await frontend.database.read(lambda c: c.execute(select(command)).all())
