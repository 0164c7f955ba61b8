"""What clients send, field by field as on the wire (client-api-v1.md section 3); null means unset everywhere."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool

from swarming_frontend.api.queries import KeyValues, PageSize, Seconds

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)
MAX_REASON_LENGTH = 1000
_INT64 = range(-(2**63), 2**63)


def _integer(value: Any) -> Any:
    if (isinstance(value, str) and _INTEGER.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value not in _INT64:
        raise ValueError("expected a 64-bit integer, as a number or as a string of digits")
    return value


def _moment(value: Any) -> Any:
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(value)
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise ValueError("expected seconds since 1970, or a UTC time such as 2026-11-23T17:08:19")


def _reason(value: str) -> str:
    if not value.strip() or len(value) > MAX_REASON_LENGTH:
        raise ValueError(f"expected a text of 1 to {MAX_REASON_LENGTH} characters")
    return value.strip()


Integer = Annotated[int, BeforeValidator(_integer)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Reason = Annotated[str, AfterValidator(_reason)]


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


class Input(Message):
    """Ours, as in 2015: a zip to unpack into the task's folder."""

    url: str
    file: str | None = None


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
    data: list[Input] | None = None
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
    outlives_parent: StrictBool | None = None
    """Ours: do not end with the parent."""
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


class CancelTasksBody(Message):
    """The body of `tasks/cancel`; `start` and `end` are seconds since the Unix epoch."""

    tags: Annotated[KeyValues, Field(min_length=1)]
    start: Seconds | None = None
    end: Seconds | None = None
    limit: PageSize | None = None
    cursor: str | None = None
    kill_running: StrictBool | None = None


class RetryBody(Message):
    """The body of `task/{id}/retry`; it may be absent."""

    request_uuid: str | None = None


class TerminateBody(Message):
    """The body of `bot/{id}/terminate`; it may be absent. Upstream's client sends an empty one."""

    reason: Reason | None = None


class RestrictBody(Message):
    """The body of `bot/{id}/quarantine` and `bot/{id}/maintenance`."""

    reason: Reason
    until_ts: Moment | None = None


class RestartBody(Message):
    """The body of `bot/{id}/restart`; it may be absent."""

    reason: Reason | None = None


class DeleteDeadBody(Message):
    """The body of `bots/delete_dead`; it may be absent."""

    dimensions: KeyValues = []


class NoBody(Message):
    """Nothing, or an object without fields."""


class PriorityBody(Message):
    """The body of `task/{id}/priority`."""

    priority: Integer
