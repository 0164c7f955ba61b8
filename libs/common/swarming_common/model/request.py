"""What a user asks for: a task request with its slices, in the one normalised form that is stored and passed on.

The dialects of the API (strings for integers, key/value objects, legacy fields) are translated at their adapters;
limits are those of client-api-v1.md section 12.

A stored request leaves out every field that has its default, so no default here may ever change: requests that were
stored before would mean something else.
"""

from pydantic import BaseModel, ConfigDict

from swarming_common.model.dimensions import Requirements, pool_of

DEFAULT_PING_TOLERANCE_SECS = 1200
DEFAULT_GRACE_PERIOD_SECS = 30


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Cache(_Part):
    """A named folder that a bot keeps between tasks; `path` is relative to the run's folder."""

    name: str
    path: str


class EnvPrefix(_Part):
    """Relative paths put before the value of a path-like environment variable."""

    key: str
    values: tuple[str, ...]


class Digest(_Part):
    """Names a blob in a content-addressed store."""

    hash: str
    size_bytes: int


class CasReference(_Part):
    """An input tree in a content-addressed store."""

    cas_instance: str
    digest: Digest


class CipdPackage(_Part):
    """One package that a bot installs before the command runs."""

    package_name: str
    version: str
    path: str = ""


class CipdInput(_Part):
    """The packages that a command needs."""

    server: str = ""
    client_package: CipdPackage | None = None
    packages: tuple[CipdPackage, ...] = ()


class Input(_Part):
    """A zip that a bot unpacks into the task's folder (server-2015.md A5). A fragment `#sha256=` has it checked."""

    url: str
    file: str = ""
    """What messages call it."""


class TaskProperties(_Part):
    """What to run and what machine it takes. Durations in seconds; 0 means no limit where it is allowed."""

    command: tuple[str, ...] = ()
    dimensions: Requirements
    execution_timeout_secs: int
    io_timeout_secs: int = 0
    grace_period_secs: int = DEFAULT_GRACE_PERIOD_SECS
    relative_cwd: str | None = None
    env: tuple[tuple[str, str], ...] = ()
    env_prefixes: tuple[EnvPrefix, ...] = ()
    idempotent: bool = False
    caches: tuple[Cache, ...] = ()
    data: tuple[Input, ...] = ()
    cipd_input: CipdInput | None = None
    cas_input_root: CasReference | None = None
    outputs: tuple[str, ...] = ()
    has_secret_bytes: bool = False
    containment_type: str = "NOT_SPECIFIED"


class TaskSlice(_Part):
    """One way to run the task; slices are tried in order."""

    properties: TaskProperties
    expiration_secs: int
    wait_for_capacity: bool = False
    properties_hash: str = ""
    """Of an idempotent slice, set when the request is written (model/properties_hash.py)."""


class TaskRequest(_Part):
    """A submission after validation. Secret bytes are kept apart, in a column of their own."""

    name: str
    priority: int
    user: str = ""
    authenticated: str
    tags: tuple[str, ...] = ()
    task_slices: tuple[TaskSlice, ...]
    parent_run_id: str | None = None
    outlives_parent: bool = False
    service_account: str = "none"
    realm: str = ""
    resultdb_enable: bool = False
    pool_task_template: str = "AUTO"
    bot_ping_tolerance_secs: int = DEFAULT_PING_TOLERANCE_SECS
    pubsub_topic: str = ""
    pubsub_auth_token: str = ""
    pubsub_userdata: str = ""

    @property
    def pool(self) -> str | None:
        """The pool that all slices ask for; None for a termination task."""
        return pool_of(self.task_slices[0].properties.dimensions)

    @property
    def expiration_secs(self) -> int:
        """How long the task may be pending in all."""
        return sum(one.expiration_secs for one in self.task_slices)
