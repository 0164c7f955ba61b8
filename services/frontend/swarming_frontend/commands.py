"""Gives commands to the owners of tasks and bots: written first, then told; the owner's word is the answer, if it comes
soon."""

import asyncio
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
from swarming_common.hints.wire import Hint
from swarming_common.model.commands import BotCommandKind, CommandKind
from swarming_common.model.task_id import TaskId
from swarming_frontend import metrics
from swarming_frontend.replies import WORD_SECONDS, Replies
from swarming_frontend.store.commands import NewCommand, write_commands


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
        row = NewCommand(
            kind=kind,
            shard=shard,
            task_id=task_id,
            arguments=arguments,
            given_by=by,
            created_ts=now,
            reply_to=self._replies.frontend_id,
        )
        return await self._word_on(row, addresses.shard(shard), CommandGiven(command_id=row.command_id))

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
        rows = [
            NewCommand(kind=kind, shard=shard, task_id=task_id, arguments=arguments, given_by=by, created_ts=now)
            for task_id, shard in tasks
        ]
        await self._writer.submit(rows)
        for shard in {shard for _, shard in tasks}:
            self._bus.send(addresses.shard(shard), CommandsGiven())
        metrics.COMMANDS_GIVEN.labels(kind, "not_awaited").inc(len(rows))

    async def give_bot(self, kind: BotCommandKind, bot_id: str, *, by: str, now: datetime) -> CommandDone | None:
        """The same of a bot, to all gateways: the word of the one that did it. Raises DatabaseAway."""
        row = NewCommand(kind=kind, bot_id=bot_id, given_by=by, created_ts=now, reply_to=self._replies.frontend_id)
        return await self._word_on(row, addresses.ALL_GATEWAYS, BotCommandsGiven())

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
        rows = [
            NewCommand(kind=kind, bot_id=bot_id, arguments=arguments, given_by=by, created_ts=now) for bot_id in bot_ids
        ]
        await self._writer.submit(rows)
        self._bus.send(addresses.ALL_GATEWAYS, BotCommandsGiven())
        metrics.COMMANDS_GIVEN.labels(kind, "not_awaited").inc(len(bot_ids))

    async def close(self) -> None:
        """Finish what was accepted."""
        await self._writer.close()

    async def _word_on(self, row: NewCommand, address: str, hint: Hint) -> CommandDone | None:
        with self._replies.word_on(row.command_id) as expected:
            await self._writer.submit([row])
            self._bus.send(address, hint)
            await asyncio.wait({expected}, timeout=self._word_seconds)
            word = expected.result() if expected.done() else None
        metrics.COMMANDS_GIVEN.labels(row.kind, "assumed" if word is None else "told").inc()
        return word


def _write(connection: Connection, brought: Sequence[Sequence[NewCommand]]) -> list[None]:
    write_commands(connection, [row for rows in brought for row in rows])
    return [None] * len(brought)
