"""Accept a task: write the request, then tell its shard."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from swarming_common.bus.port import Bus
from swarming_common.database.group_commit import GroupCommit, HotGroupCommit
from swarming_common.database.port import Database
from swarming_common.errors import InvalidInput, Unavailable
from swarming_common.hints import addresses
from swarming_common.hints.scheduler import ChildSubmitted, TaskSubmitted
from swarming_common.model import priority
from swarming_common.model.properties_hash import with_hashes
from swarming_common.model.request import TaskRequest
from swarming_common.model.shards import shard_of_pool
from swarming_common.model.tags import with_automatic_tags
from swarming_common.model.task_id import TaskId, new_task_id, parse_task_id
from swarming_frontend import metrics
from swarming_frontend.admission import Admission, TooManyPending
from swarming_frontend.store.requests import (
    IdTaken,
    NewRequest,
    Repeated,
    StoredRequest,
    Undecided,
    WriteOutcome,
    Written,
    first_task,
    hot_requests,
    stored_parent,
    stored_request,
)

RandomBytes = Callable[[int], bytes]

MAX_TRIES = 20  # ids that are taken or uuids that are being written; a second try is rare, a third hardly ever seen

UNDECIDED_PAUSE_SECONDS = 0.05
"""Between two tries while somebody else writes the same uuid: with MAX_TRIES a second, longer than a commit takes."""


@dataclass(frozen=True, kw_only=True)
class SubmitTask:
    """A checked request without its automatic tags; the secret is kept apart."""

    request: TaskRequest
    user_tags: tuple[str, ...]
    secret_bytes: bytes | None
    request_uuid: str | None
    evaluate_only: bool
    by: str


@dataclass(frozen=True)
class Submitted:
    """The task is written; `is_repeat` says that it was written for an earlier submission with the same uuid."""

    stored: StoredRequest
    is_repeat: bool


@dataclass(frozen=True)
class Evaluated:
    """Nothing was written; the request as it would be."""

    request: TaskRequest
    created_ts: datetime


class Submit:
    """Accepts tasks; a group commit shares the writing out."""

    def __init__(
        self,
        *,
        database: Database,
        bus: Bus,
        shard_count: int,
        guarded_priority: int,
        admission: Admission,
        random: RandomBytes = os.urandom,
    ) -> None:
        self._database = database
        self._bus = bus
        self._shard_count = shard_count
        self._guarded_priority = guarded_priority
        self._admission = admission
        self._random = random
        self._writer: GroupCommit[NewRequest, WriteOutcome] = HotGroupCommit(database, hot_requests, name="submit")

    async def __call__(self, command: SubmitTask, now: datetime) -> Submitted | Evaluated:
        """Accept a task, or evaluate it. Raises InvalidInput for a parent that does not exist, TooManyPending, and
        DatabaseAway."""
        parent = await self._parent(command.request.parent_run_id)
        request = complete(command, parent, self._guarded_priority)
        if command.evaluate_only:
            return Evaluated(request, now)
        started = time.perf_counter()
        outcome = await self._repeated_where_full(command, request, now) or await self._write(
            command, request, parent, now
        )
        metrics.SUBMIT_SECONDS.observe(time.perf_counter() - started)
        metrics.TASKS_SUBMITTED.labels("repeated" if outcome.is_repeat else "new").inc()
        await asyncio.sleep(0)  # the hint leaves first: making the answer takes longer than handing the task out
        return outcome

    async def as_it_is(
        self, request: TaskRequest, *, shard: int, caller: str, request_uuid: str, now: datetime
    ) -> Submitted:
        """Accept a task that the server itself makes, complete, for a shard of its choice. Raises DatabaseAway."""
        command = SubmitTask(
            request=request,
            user_tags=(),
            secret_bytes=None,
            request_uuid=request_uuid,
            evaluate_only=False,
            by=caller,
        )
        return await self._write(command, request, None, now, shard)

    async def close(self) -> None:
        """Finish what was accepted."""
        await self._writer.close()

    async def _parent(self, run_id: str | None) -> StoredRequest | None:
        if run_id is None:
            return None
        task_id = parse_task_id(run_id)
        found = await self._database.read(lambda c: stored_parent(c, task_id))
        if found is None:
            raise InvalidInput("parent_task_id", f"expected a run of an existing task, there is no {run_id}")
        return found

    async def _repeated_where_full(self, command: SubmitTask, request: TaskRequest, now: datetime) -> Submitted | None:
        """The first task of this uuid, if its pool takes no new ones; None if it does."""
        try:
            self._admission.admit(request.pool or "")
        except TooManyPending:
            uuid = command.request_uuid
            if uuid is not None:
                first = await self._database.read(lambda c: first_task(c, command.by, uuid, now))
                if first is not None:
                    return await self._first(first)
            metrics.TASKS_SUBMITTED.labels("refused").inc()
            raise
        return None

    async def _write(
        self,
        command: SubmitTask,
        request: TaskRequest,
        parent: StoredRequest | None,
        now: datetime,
        shard: int | None = None,
    ) -> Submitted:
        item = self._item(command, request, parent, now, shard)
        trouble = ""
        for _ in range(MAX_TRIES):
            match await self._writer.submit(item):
                case Written():
                    return self._tell(item, parent)
                case Repeated(task_id):
                    return await self._first(task_id)
                case IdTaken():
                    item = self._item(command, request, parent, now, shard)
                    trouble = "no free task id was found"
                case Undecided():
                    trouble = "another submission with this request_uuid is still being written"
                    await asyncio.sleep(UNDECIDED_PAUSE_SECONDS)
        raise Unavailable(trouble)

    def _item(
        self,
        command: SubmitTask,
        request: TaskRequest,
        parent: StoredRequest | None,
        now: datetime,
        shard: int | None,
    ) -> NewRequest:
        random = int.from_bytes(self._random(10))
        return NewRequest(
            task_id=new_task_id(now, random),
            nonce=random >> 17,  # 63 bits: the database's integers have a sign
            shard=shard_of_pool(request.pool or "", self._shard_count) if shard is None else shard,
            created_ts=now,
            request=request,
            parent_task_id=parent.task_id if parent else None,
            secret_bytes=command.secret_bytes,
            caller=command.by,
            request_uuid=command.request_uuid,
        )

    def _tell(self, item: NewRequest, parent: StoredRequest | None) -> Submitted:
        hint = TaskSubmitted(task_id=item.task_id, created_ts=item.created_ts, request=item.request)
        self._bus.send(addresses.shard(item.shard), hint)
        if parent is not None and parent.shard != item.shard and not item.request.outlives_parent:
            child = ChildSubmitted(parent_task_id=parent.task_id, shard=item.shard)
            self._bus.send(addresses.shard(parent.shard), child)
        stored = StoredRequest(task_id=item.task_id, shard=item.shard, created_ts=item.created_ts, request=item.request)
        return Submitted(stored, is_repeat=False)

    async def _first(self, task_id: TaskId) -> Submitted:
        stored = await self._database.read(lambda c: stored_request(c, task_id))
        if stored is None:
            raise Unavailable("the first task of this request_uuid is being deleted")
        return Submitted(stored, is_repeat=True)


def complete(command: SubmitTask, parent: StoredRequest | None, guarded_priority: int) -> TaskRequest:
    """The request with what the server decides: priority, the user of a child, automatic tags, hashes of idempotent
    slices. Raises InvalidInput."""
    request = command.request
    changes: dict[str, object] = {"priority": max(request.priority, guarded_priority)}
    if parent is not None:
        changes["user"] = parent.request.user
        asked = max(request.priority, guarded_priority)
        changes["priority"] = max(min(asked, parent.request.priority - 1), priority.HIGHEST)
    elif changes["priority"] == priority.HIGHEST:
        raise InvalidInput("priority", f"expected at least 1, {priority.HIGHEST} is for terminations")
    request = with_hashes(request.model_copy(update=changes), command.secret_bytes)
    return request.model_copy(update={"tags": with_automatic_tags(command.user_tags, request)})
