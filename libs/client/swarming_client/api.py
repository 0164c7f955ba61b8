"""The SDK: Swarming's client API as typed Python calls."""

from __future__ import annotations

import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx

from swarming_client.bot_messages import BotEventList, BotInfo, BotList
from swarming_client.errors import NotFound, UnexpectedReply
from swarming_client.follow import LONGEST_HOLD_SECS, Waiting, follow_output, follow_result
from swarming_client.messages import (
    CancelReply,
    Explanation,
    Json,
    MatchedReply,
    PriorityReply,
    SubmittedTask,
    TaskList,
    TaskOutput,
    TaskRequest,
    TaskResult,
)
from swarming_client.new_task import NewTask
from swarming_client.server_address import normal_server_address
from swarming_client.transport import RETRY_SECS, Call, Query, Transport
from swarming_client.uploads import JoinToken, Uploads

LARGEST_PAGE = 1000  # items, the server's limit

Reply = TypeVar("Reply")


class Swarming:
    """A Swarming server, as its users see it.

    Every method raises a SwarmingError: RequestRefused (NotFound, NotAllowed) when the server says no,
    ServerUnavailable when it stayed away for `retry_secs`, UnexpectedReply when it is something else.
    `on_trouble` hears in words when a call has to be repeated. Safe to use from several threads.
    """

    def __init__(
        self,
        server: str,
        *,
        retry_secs: float = RETRY_SECS,
        on_trouble: Callable[[str], None] | None = None,
        http: httpx.Client | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.server = normal_server_address(server)
        self._sleep = sleep
        self._monotonic = monotonic
        self._transport = Transport(
            self.server,
            retry_secs=retry_secs,
            on_trouble=on_trouble,
            http=http,
            sleep=sleep,
            monotonic=monotonic,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the server."""
        self._transport.close()

    def new_task(self, task: NewTask | Mapping[str, Any]) -> SubmittedTask:
        """Submit a task, once, even if the answer gets lost; a mapping is a NewTaskRequest of the wire."""
        request = task.to_json() if isinstance(task, NewTask) else dict(task)
        request.setdefault("request_uuid", str(uuid.uuid4()))
        submitted = self._ask(SubmittedTask.from_json, Call(method="POST", path="tasks/new", body=request))
        if not submitted.task_id and not request.get("evaluate_only"):
            raise UnexpectedReply(f"{self.server} took the task but gave no id for it")
        return submitted

    def result(self, task_id: str, *, wait_secs: float | None = None) -> TaskResult:
        """Get how the task stands; with `wait_secs` the server may hold the answer so long, until it ends."""
        return self._ask(TaskResult.from_json, _held(f"task/{_part(task_id)}/result", {}, wait_secs))

    def request(self, task_id: str) -> TaskRequest:
        """Get what was asked for when the task was submitted."""
        return self._ask(TaskRequest.from_json, Call(method="GET", path=f"task/{_part(task_id)}/request"))

    def stdout(self, task_id: str, *, offset: int = 0, length: int = 0, wait_secs: float | None = None) -> TaskOutput:
        """Get output from the byte `offset` on, `length` bytes at most (0: what the server gives at once).

        With `wait_secs` the server may hold the answer that long, until there is some or the task has ended.
        """
        query = {"offset": offset} | ({"length": length} if length else {})
        return self._ask(TaskOutput.from_json, _held(f"task/{_part(task_id)}/stdout", query, wait_secs))

    def follow(
        self, task_id: str, *, timeout_secs: float | None = None, hold_secs: float = LONGEST_HOLD_SECS
    ) -> Iterator[TaskOutput]:
        """Yield the output as it comes, from its start, until the task has ended; raises WaitTimeout.

        Something is yielded, if only an empty text, at least about every `hold_secs`.
        """
        return follow_output(self, task_id, self._waiting(timeout_secs, hold_secs))

    def watch(
        self, task_id: str, *, timeout_secs: float | None = None, hold_secs: float = LONGEST_HOLD_SECS
    ) -> Iterator[TaskResult]:
        """Yield how the task stands, about every `hold_secs`, until it has ended; raises WaitTimeout."""
        return follow_result(self, task_id, self._waiting(timeout_secs, hold_secs))

    def wait(self, task_id: str, *, timeout_secs: float | None = None) -> TaskResult:
        """Return the task's result once it has ended; raises WaitTimeout."""
        return deque(self.watch(task_id, timeout_secs=timeout_secs), maxlen=1).pop()

    def why(self, task_id: str) -> Explanation:
        """Ask why the task is still pending, and when it may start."""
        return self._ask(Explanation.from_json, Call(method="GET", path=f"task/{_part(task_id)}/why"))

    def cancel(self, task_id: str, *, kill_running: bool = False) -> CancelReply:
        """Cancel a task that waits, and with `kill_running` also one that runs."""
        body = {"kill_running": kill_running}
        call = Call(method="POST", path=f"task/{_part(task_id)}/cancel", body=body)
        return self._ask(CancelReply.from_json, call)

    def cancel_by_tags(self, tags: Sequence[str], *, kill_running: bool = False) -> MatchedReply:
        """Cancel the tasks that wait and have all the tags, with `kill_running` also those that run; say how many.

        It does not wait until they have ended. Of several pages, the reply is the last one with the sum of all.
        """
        body: Json = {"tags": list(tags), "kill_running": kill_running, "limit": LARGEST_PAGE}
        matched = 0
        while True:
            reply = self._ask(MatchedReply.from_json, Call(method="POST", path="tasks/cancel", body=body))
            matched += reply.matched
            if not reply.json.get("cursor"):
                return MatchedReply.from_json(reply.json | {"matched": str(matched)})
            body = body | {"cursor": reply.json["cursor"]}

    def retry(self, task_id: str) -> SubmittedTask:
        """Submit a clone of the task, once, even if the answer gets lost."""
        body = {"request_uuid": str(uuid.uuid4())}
        call = Call(method="POST", path=f"task/{_part(task_id)}/retry", body=body)
        return self._ask(SubmittedTask.from_json, call)

    def set_priority(self, task_id: str, priority: int) -> PriorityReply:
        """Give a task that waits another priority; the lower number goes first."""
        call = Call(method="POST", path=f"task/{_part(task_id)}/priority", body={"priority": priority})
        return self._ask(PriorityReply.from_json, call)

    def children(self, task_id: str, *, limit: int | None = None) -> TaskList:
        """List the tasks that have this one, or this run, as their parent, newest first; without a limit, all."""
        return self._parse(TaskList.from_json, self._all_pages(f"task/{_part(task_id)}/children", {}, limit))

    def list_tasks(self, *, state: str = "ALL", tags: Sequence[str] = (), limit: int | None = None) -> TaskList:
        """List tasks that have all the tags (`key:value`), newest first; without a limit, all of them."""
        query: Query = {"state": state} | ({"tags": list(tags)} if tags else {})
        return self._parse(TaskList.from_json, self._all_pages("tasks/list", query, limit))

    def bots(
        self,
        *,
        dimensions: Sequence[tuple[str, str]] = (),
        is_dead: bool | None = None,
        is_busy: bool | None = None,
        quarantined: bool | None = None,
        in_maintenance: bool | None = None,
        limit: int | None = None,
    ) -> BotList:
        """List bots that have all the dimensions; a filter of None lets both kinds through."""
        filters = {
            "is_dead": is_dead,
            "is_busy": is_busy,
            "quarantined": quarantined,
            "in_maintenance": in_maintenance,
        }
        query: dict[str, Any] = {k: str(v).upper() for k, v in filters.items() if v is not None}
        if dimensions:
            query["dimensions"] = [f"{key}:{value}" for key, value in dimensions]
        return self._parse(BotList.from_json, self._all_pages("bots/list", query, limit))

    def bot(self, bot_id: str) -> BotInfo:
        """Get what the server knows of one bot."""
        return self._ask(BotInfo.from_json, Call(method="GET", path=f"bot/{_part(bot_id)}/get"))

    def bot_events(self, bot_id: str, *, limit: int | None = None) -> BotEventList:
        """List what happened to a bot, newest first; without a limit, all of it."""
        return self._parse(BotEventList.from_json, self._all_pages(f"bot/{_part(bot_id)}/events", {}, limit))

    def bot_tasks(self, bot_id: str, *, limit: int | None = None) -> TaskList:
        """List the runs of a bot, newest first; without a limit, all of them."""
        return self._parse(TaskList.from_json, self._all_pages(f"bot/{_part(bot_id)}/tasks", {}, limit))

    def terminate(self, bot_id: str, *, reason: str | None = None) -> str:
        """Have the bot end once it is idle; return the id of the task that does it, which can be waited for."""
        body = {"reason": reason} if reason else {}
        return self._ask(lambda json: str(json["task_id"]), _of_bot(bot_id, "terminate", body))

    def restart_bot(self, bot_id: str, *, reason: str | None = None) -> None:
        """Have the bot's process restart once it is idle."""
        self._ask(lambda json: json, _of_bot(bot_id, "restart", {"reason": reason} if reason else {}))

    def quarantine(self, bot_id: str, reason: str, *, until: datetime | None = None) -> BotInfo:
        """Give the bot no tasks, until then or until `unquarantine`; a task that it has goes on."""
        return self._ask(BotInfo.from_json, _of_bot(bot_id, "quarantine", _restriction(reason, until)))

    def unquarantine(self, bot_id: str) -> BotInfo:
        """End a quarantine; not one that the bot itself says it is in, as the reply then shows."""
        return self._ask(BotInfo.from_json, _of_bot(bot_id, "unquarantine", {}))

    def maintain(self, bot_id: str, reason: str, *, until: datetime | None = None) -> BotInfo:
        """The same as `quarantine`, for a bot that somebody works on."""
        return self._ask(BotInfo.from_json, _of_bot(bot_id, "maintenance", _restriction(reason, until)))

    def end_maintenance(self, bot_id: str) -> BotInfo:
        """End it."""
        return self._ask(BotInfo.from_json, _of_bot(bot_id, "end_maintenance", {}))

    def delete_bot(self, bot_id: str) -> None:
        """Forget the bot; its history stays, and should it poll again, it is back."""
        self._ask(lambda json: json, _of_bot(bot_id, "delete", {}))

    def delete_dead_bots(self, *, dimensions: Sequence[tuple[str, str]] = ()) -> MatchedReply:
        """Forget all dead bots that have these dimensions, within seconds; say how many they are."""
        body = {"dimensions": [f"{key}:{value}" for key, value in dimensions]}
        return self._ask(MatchedReply.from_json, Call(method="POST", path="bots/delete_dead", body=body))

    def uploads(self, kind: str) -> Uploads:
        """Look at, and change, a file for bots: `bot_config`, `bootstrap` or `bot_archive`."""
        return Uploads(kind, self._ask, self._ask)

    def bot_zip(self) -> bytes | None:
        """Get the zip that bots run; None if the server has none."""
        try:
            version = self._ask(lambda json: json.get("bot_version"), Call(method="GET", path="server/details"))
            return None if version is None else self._transport.fetch(f"/swarming/api/v1/bot/bot_code/{version}")
        except NotFound:
            return None

    def join_token(self) -> JoinToken:
        """Make what lets a machine become a bot within the hour."""
        return self._ask(JoinToken.from_json, Call(method="POST", path="server/token"))

    def _all_pages(self, path: str, query: Query, limit: int | None) -> Json:
        """Return the last page, with the items of all of them."""
        items: list[Json] = []
        page: Json = {}
        while True:
            size = LARGEST_PAGE if limit is None else min(LARGEST_PAGE, limit - len(items))
            cursor = {"cursor": page["cursor"]} if page else {}
            page = self._transport.send(Call(method="GET", path=path, query={**query, "limit": size, **cursor}))
            items += page.get("items", [])
            if not page.get("cursor") or (limit is not None and len(items) >= limit):
                return page | {"items": items}

    def _waiting(self, timeout_secs: float | None, hold_secs: float) -> Waiting:
        return Waiting(hold_secs=hold_secs, timeout_secs=timeout_secs, sleep=self._sleep, monotonic=self._monotonic)

    def _ask(self, read: Callable[[Json], Reply], call: Call) -> Reply:
        return self._parse(read, self._transport.send(call))

    def _parse(self, read: Callable[[Json], Reply], json: Json) -> Reply:
        try:
            return read(json)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnexpectedReply(f"{self.server} gave an answer that makes no sense: {error!r}") from error


def _part(name: str) -> str:
    return quote(name, safe="", errors="replace")


def _of_bot(bot_id: str, verb: str, body: Json) -> Call:
    return Call(method="POST", path=f"bot/{_part(bot_id)}/{verb}", body=body)


def _restriction(reason: str, until: datetime | None) -> Json:
    return {"reason": reason} | ({} if until is None else {"until_ts": until.timestamp()})


def _held(path: str, query: Query, wait_secs: float | None) -> Call:
    if wait_secs is None:
        return Call(method="GET", path=path, query=query)
    return Call(method="GET", path=path, query={**query, "wait_secs": wait_secs}, hold_secs=wait_secs)
