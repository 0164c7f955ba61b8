"""The server's replies as frozen values; `json` keeps each one as it arrived.

On the wire every integer is a decimal string, a time has no zone and means UTC, and an absent field is unset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Json = dict[str, Any]

UNFINISHED_STATES = frozenset({"PENDING", "RUNNING"})


def is_final(state: str) -> bool:
    """Say whether a task in this state has ended; one unknown to us counts as an end, as upstream has it."""
    return state not in UNFINISHED_STATES


@dataclass(frozen=True, kw_only=True)
class TaskResult:
    """How a task stands, or how it ended; `duration` is in seconds, times are in UTC, slices count from 0."""

    task_id: str
    state: str
    run_id: str | None
    name: str
    user: str
    tags: tuple[str, ...]
    bot_id: str | None
    exit_code: int | None
    duration: float | None
    failure: bool
    internal_failure: bool
    deduped_from: str | None
    priority: int | None
    current_slice: int
    reason: str | None
    created: datetime | None
    started: datetime | None
    completed: datetime | None
    abandoned: datetime | None
    json: Json

    @property
    def is_final(self) -> bool:
        """Whether the task has ended."""
        return is_final(self.state)

    @classmethod
    def from_json(cls, json: Json) -> TaskResult:
        """Read a TaskResult; raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            task_id=json["task_id"],
            state=json["state"],
            run_id=json.get("run_id"),
            name=json.get("name", ""),
            user=json.get("user", ""),
            tags=tuple(json.get("tags", ())),
            bot_id=json.get("bot_id"),
            exit_code=_integer(json.get("exit_code")),
            duration=json.get("duration"),
            failure=json.get("failure", False),
            internal_failure=json.get("internal_failure", False),
            deduped_from=json.get("deduped_from"),
            priority=_integer(json.get("priority")),
            current_slice=int(json.get("current_task_slice", 0)),
            reason=json.get("reason"),
            created=time_of(json.get("created_ts")),
            started=time_of(json.get("started_ts")),
            completed=time_of(json.get("completed_ts")),
            abandoned=time_of(json.get("abandoned_ts")),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class TaskSlice:
    """One way to run the task, and for how long it may wait for that; all `_secs` are seconds."""

    expiration_secs: int | None
    execution_timeout_secs: int | None
    io_timeout_secs: int | None
    command: tuple[str, ...]
    dimensions: tuple[tuple[str, str], ...]
    env: tuple[tuple[str, str], ...]
    relative_cwd: str | None
    idempotent: bool
    wait_for_capacity: bool

    @classmethod
    def from_json(cls, json: Json) -> TaskSlice:
        """Read a TaskSlice; raises KeyError, TypeError or ValueError when it is none."""
        properties = json.get("properties", {})
        return cls(
            expiration_secs=_integer(json.get("expiration_secs")),
            execution_timeout_secs=_integer(properties.get("execution_timeout_secs")),
            io_timeout_secs=_integer(properties.get("io_timeout_secs")),
            command=tuple(properties.get("command", ())),
            dimensions=_pairs(properties.get("dimensions", ())),
            env=_pairs(properties.get("env", ())),
            relative_cwd=properties.get("relative_cwd"),
            idempotent=properties.get("idempotent", False),
            wait_for_capacity=json.get("wait_for_capacity", False),
        )


@dataclass(frozen=True, kw_only=True)
class TaskRequest:
    """What was asked for when the task was submitted; a bot gets the first of the slices that finds one."""

    name: str
    priority: int | None
    slices: tuple[TaskSlice, ...]
    authenticated: str | None
    parent_task_id: str | None
    outlives_parent: bool
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> TaskRequest:
        """Read a TaskRequest; raises KeyError, TypeError or ValueError when it is none."""
        slices: Sequence[Json] = json.get("task_slices") or [json]  # an old request is itself its only slice
        return cls(
            name=json.get("name", ""),
            priority=_integer(json.get("priority")),
            slices=tuple(TaskSlice.from_json(one) for one in slices),
            authenticated=json.get("authenticated"),
            parent_task_id=json.get("parent_task_id"),
            outlives_parent=json.get("outlives_parent", False),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class SubmittedTask:
    """The server's receipt for a new task; `task_id` is empty when the request was only evaluated."""

    task_id: str
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> SubmittedTask:
        """Read a TaskRequestMetadata."""
        return cls(task_id=json.get("task_id", ""), json=json)


@dataclass(frozen=True, kw_only=True)
class TaskOutput:
    """A piece of a run's output; `next_offset` (bytes) and `run_id` are None when the server does not tell them."""

    text: str
    state: str
    next_offset: int | None
    run_id: str | None
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> TaskOutput:
        """Read a TaskOutput; raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            text=json.get("output", ""),
            state=json["state"],
            next_offset=_integer(json.get("next_offset")),
            run_id=json.get("run_id"),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class CancelReply:
    """Whether the task was (or will be) canceled, and whether it was running when asked."""

    ok: bool
    was_running: bool
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> CancelReply:
        """Read the reply to a cancel."""
        return cls(ok=json.get("ok", False), was_running=json.get("was_running", False), json=json)


@dataclass(frozen=True, kw_only=True)
class MatchedReply:
    """How many tasks or bots were meant, and so asked to end or to be forgotten."""

    matched: int
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> MatchedReply:
        """Read the reply to a command for many; raises TypeError or ValueError when it is none."""
        return cls(matched=int(json.get("matched", 0)), json=json)


@dataclass(frozen=True, kw_only=True)
class PriorityReply:
    """Whether the task (still) waits and took the priority, and which one it has."""

    ok: bool
    priority: int
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> PriorityReply:
        """Read the reply to a change of priority; raises KeyError, TypeError or ValueError when it is none."""
        return cls(ok=json.get("ok", False), priority=int(json["priority"]), json=json)


@dataclass(frozen=True, kw_only=True)
class NearMiss:
    """Bots that lack the same few things; `text` says which, and what they have instead."""

    count: int
    text: str
    examples: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SliceBots:
    """The bots for one slice (`number` counts from 0): how many match, by status, and which nearly do."""

    number: int
    dimensions: tuple[tuple[str, str], ...]
    counts: Mapping[str, int]
    examples: Mapping[str, tuple[str, ...]]
    near_misses: tuple[NearMiss, ...]

    @classmethod
    def from_json(cls, number: int, json: Json) -> SliceBots:
        """Read the fields that the current and the later slices have alike."""
        return cls(
            number=number,
            dimensions=_pairs(json.get("dimensions", ())),
            counts={status: int(count) for status, count in json.get("bots", {}).items()},
            examples={status: tuple(ids) for status, ids in json.get("example_bots", {}).items()},
            near_misses=tuple(
                NearMiss(count=int(one["count"]), text=one["text"], examples=tuple(one.get("examples", ())))
                for one in json.get("nearest_misses", ())
            ),
        )


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a task is pending. Of a task that is not, only `state`, `summary` and `reasons` (kind and text) tell.

    `rank` counts from 1 among the tasks that ask for the same; `earliest` and `latest` are a rough guess, None when
    there is none.
    """

    task_id: str
    state: str
    summary: str
    reasons: tuple[tuple[str, str], ...]
    rank: int | None
    queue_length: int | None
    here: SliceBots | None
    later: tuple[SliceBots, ...]
    expires: datetime | None
    start_text: str
    start_basis: str
    earliest: datetime | None
    latest: datetime | None
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> Explanation:
        """Read a TaskExplanation; raises KeyError, TypeError or ValueError when it is none."""
        start = json.get("expected_start", {})
        current = _integer(json.get("current_task_slice"))
        return cls(
            task_id=json["task_id"],
            state=json["state"],
            summary=json["summary"],
            reasons=tuple((one["kind"], one["text"]) for one in json.get("reasons", ())),
            rank=_integer(json.get("rank")),
            queue_length=_integer(json.get("queue_length")),
            here=None if current is None else SliceBots.from_json(current, json),
            later=tuple(SliceBots.from_json(int(one["task_slice"]), one) for one in json.get("later_slices", ())),
            expires=time_of(json.get("expiration_ts")),
            start_text=start.get("text", ""),
            start_basis=start.get("basis", ""),
            earliest=time_of(start.get("earliest_ts")),
            latest=time_of(start.get("latest_ts")),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class TaskList:
    """Tasks, newest first; `json` is the API's reply with the items of all pages that were read."""

    items: tuple[TaskResult, ...]
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> TaskList:
        """Read a (merged) TaskList."""
        return cls(items=tuple(TaskResult.from_json(item) for item in json["items"]), json=json)


def _integer(value: str | int | None) -> int | None:
    return None if value is None else int(value)


def time_of(value: str | None) -> datetime | None:
    """Read a time of the wire, which is UTC without a zone."""
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _pairs(items: Sequence[Json]) -> tuple[tuple[str, str], ...]:
    return tuple((item["key"], item.get("value", "")) for item in items)
