"""What clients send, field by field as on the wire (client-api-v1.md section 3); null means unset everywhere."""

import re
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, StrictBool

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
_INT64 = range(-(2**63), 2**63)


def _integer(value: Any) -> Any:
    if (isinstance(value, str) and _INTEGER.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in _INT64:
        raise ValueError("expected a 64-bit integer, as a number or as a string of digits")
    return value


Integer = Annotated[int, BeforeValidator(_integer)]


class Message(BaseModel):
    """A JSON object of which every field is known; an unknown one is refused by name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Pair(Message):
    """One dimension or environment variable."""

    key: str
    value: str


class PairOfList(Message):
    """One environment prefix."""

    key: str
    value: list[str]


class Cache(Message):
    """A named folder."""

    name: str
    path: str


class Package(Message):
    """One CIPD package."""

    package_name: str
    version: str
    path: str | None = None


class CipdInput(Message):
    """CIPD packages."""

    server: str | None = None
    client_package: Package | None = None
    packages: list[Package] | None = None


class Digest(Message):
    """Names a blob."""

    hash: str
    size_bytes: Integer


class CasReference(Message):
    """An input tree."""

    cas_instance: str
    digest: Digest


class Containment(Message):
    """How the process is contained."""

    containment_type: str | None = None


class Properties(Message):
    """What to run, and on what machine."""

    command: list[str] | None = None
    relative_cwd: str | None = None
    dimensions: list[Pair] | None = None
    env: list[Pair] | None = None
    env_prefixes: list[PairOfList] | None = None
    execution_timeout_secs: Integer | None = None
    io_timeout_secs: Integer | None = None
    grace_period_secs: Integer | None = None
    idempotent: StrictBool | None = None
    caches: list[Cache] | None = None
    cipd_input: CipdInput | None = None
    cas_input_root: CasReference | None = None
    outputs: list[str] | None = None
    secret_bytes: str | None = None
    containment: Containment | None = None
    inputs_ref: None = None
    """What the client of 2021 still sends, as null."""


class Slice(Message):
    """One way to run the task."""

    properties: Properties | None = None
    expiration_secs: Integer | None = None
    wait_for_capacity: StrictBool | None = None


class ResultDb(Message):
    """Whether results go to ResultDB."""

    enable: StrictBool | None = None


class NewTaskRequest(Message):
    """The body of `tasks/new`. `properties` with `expiration_secs` is the old form of a single slice."""

    name: str | None = None
    priority: Integer | None = None
    task_slices: list[Slice] | None = None
    properties: Properties | None = None
    expiration_secs: Integer | None = None
    tags: list[str] | None = None
    user: str | None = None
    service_account: str | None = None
    realm: str | None = None
    resultdb: ResultDb | None = None
    parent_task_id: str | None = None
    pool_task_template: str | None = None
    bot_ping_tolerance_secs: Integer | None = None
    request_uuid: str | None = None
    evaluate_only: StrictBool | None = None
    pubsub_topic: str | None = None
    pubsub_auth_token: str | None = None
    pubsub_userdata: str | None = None


class CancelBody(Message):
    """The body of `task/{id}/cancel`; it may be absent."""

    kill_running: StrictBool | None = None
