"""The scheduler's memory as rows."""

from collections.abc import Iterable
from typing import Any

from swarming_common.events.rows import event_columns
from swarming_common.model.states import TaskState
from swarming_scheduler.bot_snapshot import BotSnapshot
from swarming_scheduler.changes import Changes, Cursors, Told
from swarming_scheduler.state import LiveRun, LiveTask, ShardState
from swarming_scheduler.store import Batch
from swarming_scheduler.usecases.report import is_failure


def freeze(shards: Iterable[tuple[ShardState, Changes, "EventNumbers"]]) -> Batch:
    """The changes of several shards as they stand now, their events numbered."""
    batch = Batch()
    snapshots: dict[int, BotSnapshot] = {}
    for state, changes, numbers in shards:
        batch.results.extend(_result_row(state.number, task) for task in changes.tasks.values())
        batch.runs.extend(_run_row(state.number, run) for run in changes.runs.values())
        snapshots |= {snapshot.bot_snapshot_id: snapshot for snapshot in changes.bot_snapshots.values()}
        batch.events.extend(_event_row(told, numbers.next()) for told in changes.in_packs())
        batch.commands_of.extend(run.run_id.task_id for run in changes.assigned)
        batch.cursors.extend(_cursor_row(cursors) for cursors in changes.cursors[-1:])
    # Two shards that write the same ones wait for each other, so all write them in one order.
    batch.bot_snapshots.extend(snapshots[key].row() for key in sorted(snapshots))
    return batch


class EventNumbers:
    """Numbers the events of a shard densely; only the owner has one."""

    def __init__(self, last: int) -> None:
        self.last = last

    def next(self) -> int:
        """The next number."""
        self.last += 1
        return self.last


def _event_row(told: Told, seq: int) -> dict[str, Any]:
    return {
        "shard": told.shard,
        "seq": seq,
        "task_id": told.task_id,
        "taskseq": told.taskseq,
        "name": told.fact.name,
        "version": told.fact.version,
        "pool": told.pool,
        "created_ts": told.created_ts,
        **event_columns(told.fact),
    }


def _result_row(shard: int, task: LiveTask) -> dict[str, Any]:
    run = task.last_run if task.state is not TaskState.PENDING else None
    return {
        "task_id": task.task_id,
        "shard": shard,
        "state": int(task.state),
        "priority": task.priority,
        "current_slice": task.current_slice,
        "slice_expiration_ts": task.slice_expiration_ts if task.state is TaskState.PENDING else None,
        "run_number": run.run_id.number if run else None,
        "bot_id": run.bot_id if run else None,
        "last_taskseq": task.taskseq,
        "created_ts": task.created_ts,
        "modified_ts": task.modified_ts or task.created_ts,
        "started_ts": task.started_ts,
        "completed_ts": task.completed_ts,
        "abandoned_ts": task.abandoned_ts,
        "exit_code": run.exit_code if run else None,
        "duration": run.duration if run else None,
        "failure": is_failure(task),
        "internal_failure": task.state is TaskState.BOT_DIED or (run is not None and run.internal_failure),
        "reason": task.reason,
        "prioritized_ts": task.prioritized_ts,
        **_reuse(task, run),
    }


def _reuse(task: LiveTask, run: LiveRun | None) -> dict[str, Any]:
    """What a twin may take from this task, or what this task took from a twin."""
    twin = task.twin
    if twin is not None:
        return {
            "bot_id": twin.bot_id,
            "exit_code": twin.exit_code,
            "duration": twin.duration,
            "properties_hash": None,
            "deduped_task_id": twin.run_id.task_id,
            "deduped_run_number": twin.run_id.number,
            "cost_saved_usd": twin.cost_usd,
        }
    is_reusable = task.state is TaskState.COMPLETED and run is not None and run.exit_code == 0
    return {
        "properties_hash": (task.slices[run.slice].properties_hash or None) if is_reusable and run else None,
        "deduped_task_id": None,
        "deduped_run_number": None,
        "cost_saved_usd": None,
    }


def _run_row(shard: int, run: LiveRun) -> dict[str, Any]:
    return {
        "task_id": run.run_id.task_id,
        "run_number": run.run_id.number,
        "shard": shard,
        "bot_id": run.bot_id,
        "state": int(run.state),
        "slice": run.slice,
        "offer_id": run.offer_id if run.state is TaskState.RUNNING else "",
        "revoked": run.revoking is not None,
        "killing": run.is_killing,
        "bot_snapshot_id": run.bot_snapshot_id,
        "bot_idle_since_ts": run.bot_idle_since,
        "started_ts": run.started_ts,
        "completed_ts": run.completed_ts,
        "abandoned_ts": run.abandoned_ts,
        "exit_code": run.exit_code,
        "duration": run.duration,
        "failure": run.state is TaskState.TIMED_OUT or run.exit_code not in (None, 0),
        "internal_failure": run.internal_failure,
        "cost_usd": run.cost_usd,
        "reason": run.reason,
        "details": run.details,
    }


def _cursor_row(cursors: Cursors) -> dict[str, Any]:
    return {
        "shard": cursors.shard,
        "request_cursor": cursors.request_cursor,
        "command_cursor": cursors.command_cursor,
        "report_cursor": cursors.report_cursor,
        "last_seq": cursors.last_seq,
        "relayed_seq": cursors.relayed_seq,
    }
