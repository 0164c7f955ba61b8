"""Every table, with the one service that writes it (`info["owner"]`). Tasks are keyed by value: model/task_id.py.

The Alembic tree in migrations/ makes them; a test holds the two together. The rows that every task has are kept small
(docs/decisions/0035): their columns stand by size, the widest first, so that PostgreSQL pads none.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

from swarming_common.database.columns import Coded, CommitOrder, CompactJson, Json, UtcDateTime
from swarming_common.model.reports import REPORT_KIND_CODES

metadata = MetaData()

FRONTEND = {"owner": "frontend"}
SCHEDULER = {"owner": "scheduler"}
BOTGATEWAY = {"owner": "botgateway"}
STATS = {"owner": "stats"}

# --- frontend -------------------------------------------------------------------------------------------------------

task_request = Table(
    "task_request",
    metadata,
    Column("tx", CommitOrder, nullable=False),
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("nonce", BigInteger, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    Column("expiration_ts", UtcDateTime, nullable=False),
    Column("parent_task_id", BigInteger),
    Column("shard", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("pool", Text),
    Column("user", Text, nullable=False),
    Column("tags", Json, nullable=False),
    Column("request", CompactJson, nullable=False),
    Column("secret_bytes", LargeBinary),
    info=FRONTEND,
)
"""What users asked for; never changed. `request` is the rest of a model/request.py TaskRequest: what has no column."""

submission = Table(
    "submission",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("request_uuid", Text, primary_key=True),
    Column("task_id", BigInteger, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    info=FRONTEND,
)
"""Makes a repeated submission return the first task."""

command = Table(
    "command",
    metadata,
    Column("tx", CommitOrder, nullable=False),
    Column("command_id", Text, primary_key=True),
    Column("shard", SmallInteger),
    Column("kind", Text, nullable=False),
    Column("task_id", BigInteger),
    Column("bot_id", Text),
    Column("arguments", Json, nullable=False),
    Column("given_by", Text, nullable=False),
    Column("reply_to", Text),
    Column("created_ts", UtcDateTime, nullable=False),
    info=FRONTEND,
)
"""What a person asks of a task or a bot; the owner of the thing acts on it. `reply_to` is a frontend's id."""

bot_setting = Table(
    "bot_setting",
    metadata,
    Column("bot_id", Text, primary_key=True),
    Column("quarantined", Text),
    Column("quarantined_by", Text),
    Column("quarantined_ts", UtcDateTime),
    Column("quarantined_until_ts", UtcDateTime),
    Column("maintenance", Text),
    Column("maintenance_by", Text),
    Column("maintenance_ts", UtcDateTime),
    Column("maintenance_until_ts", UtcDateTime),
    Column("cleared_by", Text),
    Column("cleared_ts", UtcDateTime),
    Column("restart", Text),
    Column("restart_by", Text),
    Column("restart_ts", UtcDateTime),
    info=FRONTEND,
)
"""What people set of a bot; it stays when the bot is deleted. `quarantined`, `maintenance` and `restart` hold the
reason, NULL when it is not so. An automatic quarantine that began before `cleared_ts` is over; a process of the bot
that began before `restart_ts` is to restart."""

upload = Table(
    "upload",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("content", LargeBinary),
    Column("digest", Text),
    Column("reverted_to", Integer),
    Column("replaces_bots", Boolean),
    Column("uploaded_by", Text, nullable=False),
    Column("uploaded_ts", UtcDateTime, nullable=False),
    info=FRONTEND,
)
"""Every version of what people uploaded for bots (bot_code/kinds.py); the highest counts. Without a content it means
what comes with the release. `digest` is the version of the code in an archive, else the SHA-256 of the content;
`reverted_to` names the version that this one repeats. `replaces_bots`, of an archive that was taken away, moves the
archive's bots to the zip that is built here; otherwise they keep what they run."""

enrolment_token = Table(
    "enrolment_token",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("expires_ts", UtcDateTime, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    info=FRONTEND,
)
"""Hashes of the tokens with which machines may join."""

# --- scheduler ------------------------------------------------------------------------------------------------------

shard = Table(
    "shard",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("owner", Text),
    Column("request_cursor", BigInteger, nullable=False),
    Column("command_cursor", BigInteger, nullable=False),
    Column("report_cursor", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("relayed_seq", BigInteger, nullable=False),
    info=SCHEDULER,
)
"""The shards there are, how far each has read its feeds, numbered its events and relayed them."""

task_result = Table(
    "task_result",
    metadata,
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("shard", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("priority", SmallInteger, nullable=False),
    Column("current_slice", SmallInteger, nullable=False),
    Column("slice_expiration_ts", UtcDateTime),
    Column("run_number", SmallInteger),
    Column("bot_id", Text),
    Column("last_taskseq", Integer, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    Column("modified_ts", UtcDateTime, nullable=False),
    Column("started_ts", UtcDateTime),
    Column("completed_ts", UtcDateTime),
    Column("abandoned_ts", UtcDateTime),
    Column("exit_code", Integer),
    Column("duration", Float),
    Column("failure", Boolean, nullable=False),
    Column("internal_failure", Boolean, nullable=False),
    Column("reason", Text),
    Column("prioritized_ts", UtcDateTime),
    Column("properties_hash", Text),
    Column("deduped_task_id", BigInteger),
    Column("deduped_run_number", SmallInteger),
    Column("cost_saved_usd", Float),
    info=SCHEDULER,
)
"""One row a task, from its take-in on: where it is in its life. No row means PENDING. `prioritized_ts` is when
somebody asked for the priority that the task now has, NULL if that is its request's. `properties_hash` is set only on
results that twins may reuse; `deduped_…` names the run whose result this task took instead of running."""

bot_snapshot = Table(
    "bot_snapshot",
    metadata,
    Column("bot_snapshot_id", BigInteger, primary_key=True, autoincrement=False),
    Column("version", Text, nullable=False),
    Column("dimensions", Json, nullable=False),
    info=SCHEDULER,
)
"""What bots were when they were given runs, each once; the key is a hash of the rest."""

task_run = Table(
    "task_run",
    metadata,
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("bot_snapshot_id", BigInteger, nullable=False),
    Column("bot_idle_since_ts", UtcDateTime),
    Column("started_ts", UtcDateTime, nullable=False),
    Column("completed_ts", UtcDateTime),
    Column("abandoned_ts", UtcDateTime),
    Column("duration", Float),
    Column("cost_usd", Float),
    Column("exit_code", Integer),
    Column("run_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("shard", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("slice", SmallInteger, nullable=False),
    Column("revoked", Boolean, nullable=False),
    Column("killing", Boolean, nullable=False),
    Column("failure", Boolean, nullable=False),
    Column("internal_failure", Boolean, nullable=False),
    Column("bot_id", Text, nullable=False),
    Column("offer_id", Text, nullable=False),
    Column("reason", Text),
    Column("details", CompactJson),
    info=SCHEDULER,
)
"""One row a run. Its bot's updates are taken while `state` is RUNNING and it is not `revoked`; `killing` tells the bot
to stop. A run that was never confirmed may be given to another bot under the same id. `offer_id` is empty once it
ended."""

task_event = Table(
    "task_event",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("task_id", BigInteger, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    Column("taskseq", Integer, nullable=False),
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("version", SmallInteger, nullable=False),
    Column("run_number", SmallInteger),
    Column("name", Text, nullable=False),
    Column("pool", Text, nullable=False),
    Column("bot_id", Text),
    Column("data", CompactJson, nullable=False),
    PrimaryKeyConstraint("shard", "seq"),
    info=SCHEDULER,
)
"""The events of a shard, densely numbered: the outbox, the timeline, and what a late subscriber catches up from.
`data` is the rest of an event's data: what has no column."""

# --- botgateway -----------------------------------------------------------------------------------------------------

bot = Table(
    "bot",
    metadata,
    Column("bot_id", Text, primary_key=True),
    Column("dimensions", Json, nullable=False),
    Column("state", Json, nullable=False),
    Column("version", Text, nullable=False),
    Column("session", Text),
    Column("external_ip", Text, nullable=False),
    Column("authenticated_as", Text, nullable=False),
    Column("first_seen_ts", UtcDateTime, nullable=False),
    Column("last_seen_ts", UtcDateTime, nullable=False),
    Column("quarantined", Text),
    Column("quarantined_ts", UtcDateTime),
    Column("maintenance", Text),
    Column("maintenance_ts", UtcDateTime),
    Column("auto_quarantined", Text),
    Column("auto_quarantined_ts", UtcDateTime),
    Column("auto_quarantined_until_ts", UtcDateTime),
    Column("shutdown_ts", UtcDateTime),
    Column("standing", Text),
    info=BOTGATEWAY,
)
"""What is known of a bot now. `quarantined` and `maintenance` hold the bot's own reason, NULL when it is neither;
`auto_…` is the gateways' decision after failures, and what people decided is in `bot_setting`. `shutdown_ts` is set
from the bot's farewell to its next handshake. `standing` is what its history says last of who keeps it from work."""

bot_event = Table(
    "bot_event",
    metadata,
    Column("tx", CommitOrder, nullable=False),
    Column("bot_event_id", Text, primary_key=True),
    Column("bot_id", Text, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("message", Text),
    Column("version", Text, nullable=False),
    Column("external_ip", Text, nullable=False),
    Column("dimensions", Json, nullable=False),
    Column("state", Json, nullable=False),
    Column("task_id", BigInteger),
    Column("run_number", SmallInteger),
    Column("authenticated_as", Text),
    Column("quarantined", Text),
    Column("maintenance", Text),
    Column("details", Json),
    Column("last_seen_ts", UtcDateTime),
    info=BOTGATEWAY,
)
"""What happened to a bot, and the outbox of events about bots. That it got a task and how that ended is in `task_run`,
and not here again. `details` has what `message` says in words, for those who do not read words;
`last_seen_ts` is set where that was another moment: when the bot was deleted."""

bot_event_relay = Table(
    "bot_event_relay",
    metadata,
    Column("cursor", BigInteger, nullable=False),
    info=BOTGATEWAY,
)
"""One row: what is before the cursor in the feed of `bot_event` was told."""

run_report = Table(
    "run_report",
    metadata,
    Column("tx", CommitOrder, nullable=False),
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("created_ts", UtcDateTime, nullable=False),
    Column("duration", Float),
    Column("cost_usd", Float),
    Column("exit_code", Integer),
    Column("run_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("kind", Coded(REPORT_KIND_CODES), primary_key=True),
    Column("shard", SmallInteger, nullable=False),
    Column("hard_timeout", Boolean, nullable=False),
    Column("io_timeout", Boolean, nullable=False),
    Column("bot_id", Text, primary_key=True),
    Column("session", Text),
    Column("message", Text),
    Column("details", CompactJson),
    PrimaryKeyConstraint("task_id", "run_number", "kind", "bot_id"),
    info=BOTGATEWAY,
)
"""What bots said of their runs, for the scheduler to act on. Kinds: model/reports.py. `session` is the one that
confirmed the run; how a run ended is taken from whichever session tells it first."""

task_output = Table(
    "task_output",
    metadata,
    Column("task_id", BigInteger, primary_key=True, autoincrement=False),
    Column("run_number", SmallInteger, primary_key=True, autoincrement=False),
    Column("start", BigInteger, primary_key=True, autoincrement=False),
    Column("content", LargeBinary, nullable=False),
    info=BOTGATEWAY,
)
"""What a run printed, by byte offset."""

bot_code = Table(
    "bot_code",
    metadata,
    Column("version", Text, primary_key=True),
    Column("package", Text, nullable=False),
    Column("hooks", Integer, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("created_ts", UtcDateTime, nullable=False),
    Column("wanted_ts", UtcDateTime, nullable=False),
    info=BOTGATEWAY,
)
"""The bot zips that were built, by the hash of what is in them; bot_code/current.py says which is the current one.
`wanted_ts` is when a gateway last said that it would serve it."""

# --- stats ----------------------------------------------------------------------------------------------------------

stats_cursor = Table(
    "stats_cursor",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    info=STATS,
)
"""The last event of each shard that was counted; moves in the same commit as the counts."""

stats_parked = Table(
    "stats_parked",
    metadata,
    Column("shard", SmallInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    info=STATS,
)
"""Events behind the cursor that are not counted, because they could not be digested; a replay counts them."""

stats_minute = Table(
    "stats_minute",
    metadata,
    Column("minute_ts", UtcDateTime, primary_key=True),
    Column("pool", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("seconds", Float, nullable=False),
    info=STATS,
)
"""How many events of each kind a minute had; `seconds` sums what the kind measures (pending time, run time)."""
