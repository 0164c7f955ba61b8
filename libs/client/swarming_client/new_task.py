"""What to submit: one command for one kind of machine."""

from __future__ import annotations

import shlex
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from swarming_client.messages import Json

DEFAULT_POOL = "default"
DEFAULT_PRIORITY = 100  # what the reference client took: the middle of what ordinary users may ask for
DEFAULT_EXPIRATION_SECS = 6 * 3600  # as in the reference client: a working day's queue drains, a forgotten task goes
DEFAULT_EXECUTION_TIMEOUT_SECS = 3600  # as in the reference client
DEFAULT_IO_TIMEOUT_SECS = 0  # none: a quiet command is no sick one, and the execution timeout bounds it anyway
NAME_LENGTH = 80  # characters of the command that make a task's name; longer ones only fill tables


@dataclass(frozen=True, kw_only=True)
class NewTask:
    """A task of one slice; every time is in seconds.

    A pool is always asked for: `pool=default` unless `dimensions` names one. A key may repeat, and a value
    may hold alternatives (`Linux|Mac`). The uuid makes a repeated submission give the first task. A parent is named
    by the id of its run; a child ends with it, unless it `outlives_parent`.
    """

    command: Sequence[str]
    dimensions: Sequence[tuple[str, str]] = ()
    name: str | None = None
    priority: int = DEFAULT_PRIORITY
    expiration_secs: int = DEFAULT_EXPIRATION_SECS
    execution_timeout_secs: int = DEFAULT_EXECUTION_TIMEOUT_SECS
    io_timeout_secs: int = DEFAULT_IO_TIMEOUT_SECS
    env: Mapping[str, str] = field(default_factory=dict)
    env_prefixes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    relative_cwd: str | None = None
    data: Sequence[str] = ()
    """URLs of zips to unpack into the task's folder, in order."""
    idempotent: bool = False
    wait_for_capacity: bool = False
    tags: Sequence[str] = ()
    user: str | None = None
    parent_task_id: str | None = None
    outlives_parent: bool = False
    request_uuid: str = field(default_factory=lambda: str(uuid.uuid4()))

    def to_json(self) -> Json:
        """Give the NewTaskRequest of the wire; what is unset is left out."""
        request: Json = {
            "name": self.name or name_of_command(self.command),
            "priority": self.priority,
            "request_uuid": self.request_uuid,
            "tags": list(self.tags),
            "task_slices": [
                {
                    "expiration_secs": self.expiration_secs,
                    "wait_for_capacity": self.wait_for_capacity,
                    "properties": self._properties(),
                }
            ],
        }
        more = {
            "user": self.user,
            "parent_task_id": self.parent_task_id,
            "outlives_parent": self.outlives_parent,
        }
        return request | {name: value for name, value in more.items() if value}

    def _properties(self) -> Json:
        properties: Json = {
            "command": list(self.command),
            "dimensions": [{"key": key, "value": value} for key, value in with_a_pool(self.dimensions)],
            "env": [{"key": key, "value": value} for key, value in sorted(self.env.items())],
            "env_prefixes": [{"key": key, "value": list(v)} for key, v in sorted(self.env_prefixes.items())],
            "execution_timeout_secs": self.execution_timeout_secs,
            "io_timeout_secs": self.io_timeout_secs,
            "idempotent": self.idempotent,
        }
        more = {"relative_cwd": self.relative_cwd, "data": [{"url": url} for url in self.data]}
        return properties | {name: value for name, value in more.items() if value}


def with_a_pool(dimensions: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Sort the dimensions, adding the default pool when none is named."""
    named = any(key == "pool" for key, _ in dimensions)
    return sorted([*dimensions, *([] if named else [("pool", DEFAULT_POOL)])])


def name_of_command(command: Sequence[str]) -> str:
    """Make a short, printable task name from its command."""
    line = "".join(c if c.isprintable() else " " for c in shlex.join(command))
    return line if len(line) <= NAME_LENGTH else line[: NAME_LENGTH - 1] + "…"
