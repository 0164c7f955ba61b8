"""Retry a task by hand: submit a clone of what was asked for (server-2015.md A1, TaskRetryHandler)."""

import re
from dataclasses import dataclass
from datetime import datetime

from swarming_common.database.port import Database
from swarming_common.errors import InvalidInput, NotAllowed, NotFound
from swarming_common.model.request import TaskRequest
from swarming_common.model.request_limits import MAX_NAME_LENGTH, check_account
from swarming_common.model.tags import with_automatic_tags
from swarming_common.model.task_id import TaskId
from swarming_frontend.identity import Caller
from swarming_frontend.store.requests import StoredRequest, secret_of_task, stored_request
from swarming_frontend.usecases.read_task import UNKNOWN_TASK
from swarming_frontend.usecases.submit import Evaluated, Submit, SubmitTask, Submitted

_RETRY = re.compile(r"(.*) \(Retry #(\d{1,9})\)", re.DOTALL)
_REPLACED_TAGS = ("user:", "swarming.pool.")
"""What the server says of the new task in its own words, whatever it said of the old one."""


@dataclass(frozen=True, kw_only=True)
class RetryTask:
    """Which task to do again. A `request_uuid` makes a repeated call return the first clone."""

    task_id: TaskId
    request_uuid: str | None
    by: Caller


class Retry:
    """Clones tasks."""

    def __init__(self, database: Database, submit: Submit) -> None:
        self._database = database
        self._submit = submit

    async def __call__(self, command: RetryTask, now: datetime) -> Submitted | Evaluated:
        """Submit the clone. Raises NotAllowed for a bot, NotFound, InvalidInput, DatabaseAway."""
        if command.by.kind == "bot":
            raise NotAllowed("a bot may not retry a task")
        task_id = command.task_id
        stored = await self._database.read(lambda c: stored_request(c, task_id))
        if stored is None:
            raise NotFound(UNKNOWN_TASK)
        if stored.request.pool is None:
            raise InvalidInput("task_id", "expected a task that is no termination; ask for the termination again")
        check_account(stored.request.service_account)  # it may be from a time when others were taken
        secret = await self._database.read(lambda c: secret_of_task(c, task_id))
        request, tags = clone(stored, command.by)
        return await self._submit(
            SubmitTask(
                request=request,
                user_tags=tags,
                secret_bytes=secret,
                request_uuid=command.request_uuid,
                evaluate_only=False,
                by=str(command.by),
            ),
            now,
        )


def clone(stored: StoredRequest, by: Caller) -> tuple[TaskRequest, tuple[str, ...]]:
    """The request of a retry, and the tags that its submitters gave it.

    It runs for the caller, without the parent, with the same waits, and never takes a twin's result. Where the first
    task was to tell of its end (pubsub) is not told of the clone's: that was its submitter's to ask for.
    """
    request = stored.request
    automatic = set(with_automatic_tags((), request))
    tags = tuple(tag for tag in request.tags if tag not in automatic and not tag.startswith(_REPLACED_TAGS))
    slices = tuple(
        one.model_copy(update={"properties": one.properties.model_copy(update={"idempotent": False})})
        for one in request.task_slices
    )
    changes = {
        "name": retry_name(request.name),
        "user": by.name if by.kind == "user" else str(by),
        "authenticated": str(by),
        "tags": (),
        "task_slices": slices,
        "parent_run_id": None,
        "outlives_parent": False,
        "pubsub_topic": "",
        "pubsub_auth_token": "",
        "pubsub_userdata": "",
    }
    return request.model_copy(update=changes), tags


def retry_name(name: str) -> str:
    """The name with " (Retry #n)" at its end, one more than it had; what is too long loses the end of its own."""
    found = _RETRY.fullmatch(name)
    own, number = (found[1], int(found[2]) + 1) if found else (name, 1)
    end = f" (Retry #{number})"
    return own[: MAX_NAME_LENGTH - len(end)] + end
