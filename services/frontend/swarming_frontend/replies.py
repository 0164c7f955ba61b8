"""The frontend's own mailbox: where the owners of tasks and bots say that a command is done, or answer a question."""

import asyncio
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import structlog

from swarming_common.bus.port import Bus, Mailbox
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone, WhyAnswered
from swarming_common.hints.wire import Hint

log = structlog.get_logger(__name__)

T = TypeVar("T")

WORD_SECONDS = 1.0
"""How long an answer waits for an owner's word: a command happens all the same, and the tables tell nearly as much."""


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

    def word_on(self, command_id: str) -> "AbstractContextManager[asyncio.Future[CommandDone]]":
        """Resolves when the word on this command comes; to be entered before the command is told."""
        return _expected(self._waiting, command_id)

    def answer_to(self, question_id: str) -> "AbstractContextManager[asyncio.Future[WhyAnswered]]":
        """Resolves when the answer to this question comes; to be entered before the question is asked."""
        return _expected(self._asking, question_id)


@contextmanager
def _expected(expected: "dict[str, asyncio.Future[T]]", key: str) -> "Iterator[asyncio.Future[T]]":
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    expected[key] = future
    try:
        yield future
    finally:
        del expected[key]


def _resolve(waiting: "asyncio.Future[T] | None", word: T) -> None:
    if waiting is not None and not waiting.done():
        waiting.set_result(word)
