"""The frontend's own mailbox: where the owners of tasks and bots say that a command is done."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from swarming_common.bus.port import Bus, Mailbox
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.wire import Hint

log = structlog.get_logger(__name__)


class Replies:
    """Brings words that arrive to whoever waits for them; words that nobody waits for any more are dropped."""

    def __init__(self, frontend_id: str) -> None:
        self.frontend_id = frontend_id
        self._waiting: dict[str, asyncio.Future[CommandDone]] = {}
        self._mailbox: Mailbox | None = None

    async def open(self, bus: Bus) -> None:
        """Start to read."""
        self._mailbox = await bus.open_mailbox(self.read)
        await self._mailbox.listen(addresses.frontend(self.frontend_id))

    async def close(self) -> None:
        """Stop reading."""
        if self._mailbox is not None:
            await self._mailbox.close()

    def read(self, hint: Hint) -> None:
        """Take a hint from the mailbox."""
        if not isinstance(hint, CommandDone):
            log.warning("hint_not_for_frontend", kind=type(hint).__name__)
            return
        waiting = self._waiting.get(hint.command_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(hint)

    @contextmanager
    def expected(self, command_id: str) -> Iterator["asyncio.Future[CommandDone]"]:
        """Resolves when the word for this command comes; to be entered before the command is told."""
        future: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = future
        try:
            yield future
        finally:
            del self._waiting[command_id]
