"""Gives commands to the owners of tasks and bots: written first, then told; the owner's word is the answer, if it comes
soon."""

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from swarming_common.bus.port import Bus
from swarming_common.database.group_commit import GroupCommit
from swarming_common.database.port import Database
from swarming_common.hints import addresses
from swarming_common.hints.frontend import CommandDone
from swarming_common.hints.gateway import BotCommandsGiven
from swarming_common.hints.scheduler import CommandGiven, CommandsGiven
from swarming_common.model.commands import BotCommandKind, CommandKind
from swarming_common.model.task_id import TaskId
from swarming_frontend import metrics
from swarming_frontend.replies import Replies
from swarming_frontend.store.commands import NewCommand, write_commands

WORD_SECONDS = 1.0
"""How long an answer waits for the owner's word; the row makes sure that it happens all the same."""


class Commands:
    """One frontend's way to ask something of tasks and bots."""

    def __init__(self, *, database: Database, bus: Bus, replies: Replies, word_seconds: float = WORD_SECONDS) -> None:
        self._bus = bus
        self._replies = replies
        self._word_seconds = word_seconds
        self._writer: GroupCommit[Sequence[NewCommand], None] = GroupCommit(database, _write, name="command")

    async def give(
        self,
        kind: CommandKind,
        task_id: TaskId,
        arguments: Mapping[str, object],
        *,
        shard: int,
        by: str,
        now: datetime,
    ) -> CommandDone | None:
        """Durable once it returns: the owner's word, or None if it did not come in time. Raises DatabaseAway."""
        row = _row(kind, task_id, arguments, shard=shard, by=by, now=now, reply_to=self._replies.frontend_id)
        with self._replies.expected(row.command_id) as expected:
            await self._writer.submit([row])
            self._bus.send(addresses.shard(shard), CommandGiven(command_id=row.command_id))
            await asyncio.wait({expected}, timeout=self._word_seconds)
            word = expected.result() if expected.done() else None
        metrics.COMMANDS_GIVEN.labels(kind, "assumed" if word is None else "told").inc()
        return word

    async def give_all(
        self,
        kind: CommandKind,
        tasks: Sequence[tuple[TaskId, int]],
        arguments: Mapping[str, object],
        *,
        by: str,
        now: datetime,
    ) -> None:
        """The same to many tasks (with their shards) in one commit, waiting for nobody's word. Raises DatabaseAway."""
        if not tasks:
            return
        rows = [_row(kind, task_id, arguments, shard=shard, by=by, now=now) for task_id, shard in tasks]
        await self._writer.submit(rows)
        for shard in {shard for _, shard in tasks}:
            self._bus.send(addresses.shard(shard), CommandsGiven())
        metrics.COMMANDS_GIVEN.labels(kind, "not_awaited").inc(len(rows))

    async def give_bot(self, kind: BotCommandKind, bot_id: str, *, by: str, now: datetime) -> CommandDone | None:
        """The same of a bot, to all gateways: the word of the one that did it. Raises DatabaseAway."""
        row = _bot_row(kind, bot_id, {}, by=by, now=now, reply_to=self._replies.frontend_id)
        with self._replies.expected(row.command_id) as expected:
            await self._writer.submit([row])
            self._bus.send(addresses.ALL_GATEWAYS, BotCommandsGiven())
            await asyncio.wait({expected}, timeout=self._word_seconds)
            word = expected.result() if expected.done() else None
        metrics.COMMANDS_GIVEN.labels(kind, "assumed" if word is None else "told").inc()
        return word

    async def give_bots(
        self,
        kind: BotCommandKind,
        bot_ids: Sequence[str],
        arguments: Mapping[str, object],
        *,
        by: str,
        now: datetime,
    ) -> None:
        """The same to many bots in one commit, waiting for nobody's word. Raises DatabaseAway."""
        if not bot_ids:
            return
        await self._writer.submit([_bot_row(kind, bot_id, arguments, by=by, now=now) for bot_id in bot_ids])
        self._bus.send(addresses.ALL_GATEWAYS, BotCommandsGiven())
        metrics.COMMANDS_GIVEN.labels(kind, "not_awaited").inc(len(bot_ids))

    async def close(self) -> None:
        """Finish what was accepted."""
        await self._writer.close()


def _row(
    kind: CommandKind,
    task_id: TaskId,
    arguments: Mapping[str, object],
    *,
    shard: int,
    by: str,
    now: datetime,
    reply_to: str | None = None,
) -> NewCommand:
    return NewCommand(
        command_id=uuid.uuid4().hex,
        shard=shard,
        kind=kind.value,
        task_id=task_id,
        arguments=arguments,
        given_by=by,
        reply_to=reply_to,
        created_ts=now,
    )


def _bot_row(
    kind: BotCommandKind,
    bot_id: str,
    arguments: Mapping[str, object],
    *,
    by: str,
    now: datetime,
    reply_to: str | None = None,
) -> NewCommand:
    return NewCommand(
        command_id=uuid.uuid4().hex,
        shard=None,
        kind=kind.value,
        task_id=None,
        bot_id=bot_id,
        arguments=arguments,
        given_by=by,
        reply_to=reply_to,
        created_ts=now,
    )


def _write(connection: Connection, brought: Sequence[Sequence[NewCommand]]) -> list[None]:
    write_commands(connection, [row for rows in brought for row in rows])
    return [None] * len(brought)
