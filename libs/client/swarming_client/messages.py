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
    """How a task stands, or how it ended; `duration` is in seconds, times are in UTC."""

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
            created=_time(json.get("created_ts")),
            started=_time(json.get("started_ts")),
            completed=_time(json.get("completed_ts")),
            abandoned=_time(json.get("abandoned_ts")),
            json=json,
        )


@dataclass(frozen=True, kw_only=True)
class TaskRequest:
    """What was asked for when the task was submitted (first slice); all `_secs` are seconds."""

    name: str
    priority: int | None
    expiration_secs: int | None
    execution_timeout_secs: int | None
    io_timeout_secs: int | None
    command: tuple[str, ...]
    dimensions: tuple[tuple[str, str], ...]
    env: tuple[tuple[str, str], ...]
    relative_cwd: str | None
    idempotent: bool
    authenticated: str | None
    parent_task_id: str | None
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> TaskRequest:
        """Read a TaskRequest; raises KeyError, TypeError or ValueError when it is none."""
        properties = json.get("properties") or _first_slice(json).get("properties", {})
        return cls(
            name=json.get("name", ""),
            priority=_integer(json.get("priority")),
            expiration_secs=_integer(json.get("expiration_secs")),
            execution_timeout_secs=_integer(properties.get("execution_timeout_secs")),
            io_timeout_secs=_integer(properties.get("io_timeout_secs")),
            command=tuple(properties.get("command", ())),
            dimensions=_pairs(properties.get("dimensions", ())),
            env=_pairs(properties.get("env", ())),
            relative_cwd=properties.get("relative_cwd"),
            idempotent=properties.get("idempotent", False),
            authenticated=json.get("authenticated"),
            parent_task_id=json.get("parent_task_id"),
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
class BotInfo:
    """What the server knows of a bot; times are in UTC."""

    bot_id: str
    dimensions: Mapping[str, tuple[str, ...]]
    is_dead: bool
    quarantined: bool
    maintenance: str | None
    task_id: str | None
    task_name: str | None
    version: str | None
    external_ip: str | None
    first_seen: datetime | None
    last_seen: datetime | None
    deleted: bool
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> BotInfo:
        """Read a BotInfo; raises KeyError, TypeError or ValueError when it is none."""
        return cls(
            bot_id=json["bot_id"],
            dimensions={d["key"]: tuple(d.get("value", ())) for d in json.get("dimensions", ())},
            is_dead=json.get("is_dead", False),
            quarantined=json.get("quarantined", False),
            maintenance=json.get("maintenance_msg"),
            task_id=json.get("task_id"),
            task_name=json.get("task_name"),
            version=json.get("version"),
            external_ip=json.get("external_ip"),
            first_seen=_time(json.get("first_seen_ts")),
            last_seen=_time(json.get("last_seen_ts")),
            deleted=json.get("deleted", False),
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


@dataclass(frozen=True, kw_only=True)
class BotList:
    """Bots; `json` is the API's reply with the items of all pages that were read."""

    items: tuple[BotInfo, ...]
    json: Json

    @classmethod
    def from_json(cls, json: Json) -> BotList:
        """Read a (merged) BotList."""
        return cls(items=tuple(BotInfo.from_json(item) for item in json["items"]), json=json)


def _integer(value: str | int | None) -> int | None:
    return None if value is None else int(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value).replace(tzinfo=UTC)


def _pairs(items: Sequence[Json]) -> tuple[tuple[str, str], ...]:
    return tuple((item["key"], item.get("value", "")) for item in items)


def _first_slice(json: Json) -> Json:
    slices: list[Json] = json.get("task_slices") or [{}]
    return slices[0]
