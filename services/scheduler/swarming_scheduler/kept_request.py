"""What the scheduler keeps of a stored request: reading no more than that is what makes a takeover quick."""

from pydantic import BaseModel, ConfigDict

from swarming_common.model.dimensions import Requirements, pool_of
from swarming_common.model.request import DEFAULT_PING_TOLERANCE_SECS, TaskRequest


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class KeptProperties(_Part):
    """Of a slice's properties."""

    dimensions: Requirements


class KeptSlice(_Part):
    """Of a slice."""

    properties: KeptProperties
    expiration_secs: int
    wait_for_capacity: bool = False
    properties_hash: str = ""


class KeptRequest(_Part):
    """The fields of a TaskRequest that `live_task` reads, by the same names."""

    task_slices: tuple[KeptSlice, ...]
    parent_run_id: str | None = None
    outlives_parent: bool = False
    bot_ping_tolerance_secs: int = DEFAULT_PING_TOLERANCE_SECS

    @property
    def pool(self) -> str | None:
        """The pool that all slices ask for; None for a termination task."""
        return pool_of(self.task_slices[0].properties.dimensions)

    @property
    def expiration_secs(self) -> int:
        """How long the task may be pending in all."""
        return sum(one.expiration_secs for one in self.task_slices)


AnyRequest = TaskRequest | KeptRequest
"""Both have what the scheduler keeps."""
