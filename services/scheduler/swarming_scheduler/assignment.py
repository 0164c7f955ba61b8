"""The hint that hands a run to a gateway."""

from base64 import b64encode

from swarming_common.hints.gateway import RunAssigned
from swarming_common.model.request import TaskRequest
from swarming_scheduler.state import LiveRun, ShardState
from swarming_scheduler.store import StoredRequest


def run_assigned(state: ShardState, run: LiveRun, stored: StoredRequest) -> RunAssigned:
    """The run as its bot needs it: the properties of its slice."""
    request = TaskRequest.model_validate(stored.request)
    return RunAssigned(
        task_id=run.run_id.task_id,
        run_number=run.run_id.number,
        shard=state.number,
        offer_id=run.offer_id,
        bot_id=run.bot_id,
        properties=request.task_slices[run.slice].properties,
        secret_bytes=b64encode(stored.secret_bytes).decode() if stored.secret_bytes is not None else None,
        service_account=request.service_account,
        realm=request.realm,
        bot_ping_tolerance_secs=request.bot_ping_tolerance_secs,
    )
