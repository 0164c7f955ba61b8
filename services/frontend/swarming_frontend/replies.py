"""The frontend's own mailbox: where the owners of tasks and bots say that a command is done, or answer a question."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import structlog

from swarming_common.bus.port import Bus, Mailbox
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone, WhyAnswered
from swarming_common.hints.wire import Hint

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Replies:
    """Brings words that arrive to whoever waits for them; words that nobody waits for any more are dropped."""

    def __init__(self, frontend_id: str) -> None:
        self.frontend_id = frontend_id
        self._waiting: dict[str, asyncio.Future[CommandDone]] = {}
        self._asking: dict[str, asyncio.Future[WhyAnswered]] = {}
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
        if isinstance(hint, CommandDone):
            _resolve(self._waiting.get(hint.command_id), hint)
        elif isinstance(hint, WhyAnswered):
            _resolve(self._asking.get(hint.question_id), hint)
        else:
            log.warning("hint_not_for_frontend", kind=type(hint).__name__)

    @contextmanager
    def expected(self, command_id: str) -> Iterator["asyncio.Future[CommandDone]"]:
        """Resolves when the word for this command comes; to be entered before the command is told."""
        future: asyncio.Future[CommandDone] = asyncio.get_running_loop().create_future()
        self._waiting[command_id] = future
        try:
            yield future
        finally:
            del self._waiting[command_id]

    @contextmanager
    def answer_expected(self, question_id: str) -> Iterator["asyncio.Future[WhyAnswered]"]:
        """Resolves when the answer to this question comes; to be entered before the question is asked."""
        future: asyncio.Future[WhyAnswered] = asyncio.get_running_loop().create_future()
        self._asking[question_id] = future
        try:
            yield future
        finally:
            del self._asking[question_id]


def _resolve(waiting: "asyncio.Future[T] | None", word: T) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(word)
