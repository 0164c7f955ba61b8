"""Tasks as clients read them: TaskRequest, TaskRequestMetadata and TaskResult of client-api-v1.md section 3."""

import base64
from collections.abc import Sequence
from datetime import datetime
from importlib.metadata import version

from swarming_common.model.request import CipdInput, CipdPackage, TaskProperties, TaskRequest, TaskSlice
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId, TaskId, format_task_id
from swarming_frontend.api.encoding import Json, any_json, integer, list_pairs, present, timestamp
from swarming_frontend.api.performance_stats import performance_stats
from swarming_frontend.standing import Standing
from swarming_frontend.usecases.submit import Evaluated, Submitted

SERVER_VERSIONS = [version("swarming-frontend")]
REDACTED = base64.b64encode(b"<REDACTED>").decode()


def new_task(task_id: TaskId | None, request: TaskRequest, created_ts: datetime, *, is_new: bool) -> Json:
    """A TaskRequestMetadata; without a task id for a request that was only evaluated."""
    standing = pending_result(task_id, request, created_ts) if task_id is not None and is_new else None
    return present(
        task_id=None if task_id is None else format_task_id(task_id),
        request=task_request(task_id, request, created_ts),
        task_result=standing,
    )


def submitted(outcome: Submitted | Evaluated) -> Json:
    """A TaskRequestMetadata of what came of a submission."""
    if isinstance(outcome, Submitted):
        stored, is_new = outcome.stored, not outcome.is_repeat
        return new_task(stored.task_id, stored.request, stored.created_ts, is_new=is_new)
    return new_task(None, outcome.request, outcome.created_ts, is_new=False)


def task_request(task_id: TaskId | None, request: TaskRequest, created_ts: datetime) -> Json:
    """A TaskRequest."""
    slices = [_slice(one) for one in request.task_slices]
    return present(
        task_id=None if task_id is None else format_task_id(task_id),
        name=request.name,
        created_ts=timestamp(created_ts),
        authenticated=request.authenticated,
        user=request.user or None,
        priority=integer(request.priority),
        expiration_secs=integer(request.expiration_secs),
        task_slices=slices,
        properties=slices[0]["properties"],
        tags=request.tags,
        parent_task_id=request.parent_run_id,
        outlives_parent=request.outlives_parent or None,
        service_account=request.service_account,
        realm=request.realm or None,
        resultdb={"enable": request.resultdb_enable},
        pool_task_template=request.pool_task_template,
        bot_ping_tolerance_secs=integer(request.bot_ping_tolerance_secs),
        pubsub_topic=request.pubsub_topic or None,
        pubsub_userdata=request.pubsub_userdata or None,
    )


def pending_result(task_id: TaskId, request: TaskRequest, created_ts: datetime) -> Json:
    """The TaskResult of a task that was just written."""
    standing = Standing(
        task_id=task_id,
        run_number=None,
        is_run=False,
        name=request.name,
        user=request.user,
        tags=request.tags,
        state=TaskState.PENDING,
        created_ts=created_ts,
        modified_ts=created_ts,
        priority=request.priority,
    )
    return task_result(standing)


def task_result(standing: Standing, *, with_performance: bool = False) -> Json:
    """A TaskResult; that of a run has its id as `task_id`, and neither name, nor tags, nor user."""
    run_id = None if standing.run_number is None else str(RunId(standing.task_id, standing.run_number))
    details = standing.details or {}
    return present(
        task_id=run_id if standing.is_run else format_task_id(standing.task_id),
        run_id=run_id,
        name=None if standing.is_run else standing.name,
        user=None if standing.is_run else standing.user or None,
        tags=None if standing.is_run else standing.tags,
        state=standing.state.name,
        priority=None if standing.is_run else integer(standing.priority),
        created_ts=timestamp(standing.created_ts),
        modified_ts=timestamp(standing.modified_ts),
        started_ts=timestamp(standing.started_ts),
        completed_ts=timestamp(standing.completed_ts),
        abandoned_ts=timestamp(standing.abandoned_ts),
        bot_id=standing.bot_id,
        bot_version=standing.bot_version or None,
        bot_dimensions=list_pairs(standing.bot_dimensions or {}),
        bot_idle_since_ts=timestamp(standing.bot_idle_since_ts),
        current_task_slice=integer(standing.current_slice),
        exit_code=integer(standing.exit_code),
        duration=standing.duration,
        failure=standing.failure,
        reason=standing.reason or None,
        internal_failure=standing.internal_failure,
        costs_usd=standing.costs_usd,
        cost_saved_usd=standing.cost_saved_usd,
        deduped_from=None if standing.deduped_from is None else str(standing.deduped_from),
        server_versions=SERVER_VERSIONS,
        cas_output_root=any_json(details.get("cas_output_root")),
        cipd_pins=any_json(details.get("cipd_pins")),
        missing_cas=any_json(details.get("missing_cas")),
        missing_cipd=any_json(details.get("missing_cipd")),
        # a task that took another's result made no bot work
        performance_stats=performance_stats(details) if with_performance and standing.deduped_from is None else None,
    )


def task_list(standings: Sequence[Standing], cursor: str | None, now: datetime, *, with_performance: bool) -> Json:
    """A TaskList."""
    items = [task_result(one, with_performance=with_performance) for one in standings]
    return present(items=items, cursor=cursor, now=timestamp(now))


def _slice(one: TaskSlice) -> Json:
    return present(
        properties=_properties(one.properties),
        expiration_secs=integer(one.expiration_secs),
        wait_for_capacity=one.wait_for_capacity,
    )


def _properties(given: TaskProperties) -> Json:
    return present(
        command=given.command,
        relative_cwd=given.relative_cwd,
        dimensions=[{"key": key, "value": value} for key, value in given.dimensions],
        env=[{"key": key, "value": value} for key, value in given.env],
        env_prefixes=[{"key": one.key, "value": list(one.values)} for one in given.env_prefixes],
        execution_timeout_secs=integer(given.execution_timeout_secs),
        io_timeout_secs=integer(given.io_timeout_secs),
        grace_period_secs=integer(given.grace_period_secs),
        idempotent=given.idempotent,
        caches=[{"name": one.name, "path": one.path} for one in given.caches],
        data=[present(url=one.url, file=one.file or None) for one in given.data],
        cipd_input=None if given.cipd_input is None else _cipd(given.cipd_input),
        cas_input_root=(
            None if given.cas_input_root is None else any_json(given.cas_input_root.model_dump(mode="json"))
        ),
        outputs=given.outputs,
        secret_bytes=REDACTED if given.has_secret_bytes else None,
        containment={"containment_type": given.containment_type},
    )


def _cipd(given: CipdInput) -> Json:
    return present(
        server=given.server or None,
        client_package=None if given.client_package is None else _package(given.client_package),
        packages=[_package(one) for one in given.packages],
    )


def _package(given: CipdPackage) -> Json:
    return present(package_name=given.package_name, version=given.version, path=given.path or None)
