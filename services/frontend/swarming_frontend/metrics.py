"""What the frontend counts."""

from prometheus_client import Counter, Histogram

TASKS_SUBMITTED = Counter(
    "swarming_frontend_tasks_submitted_total",
    "Goes up when a submission was answered: new for a task that was written, repeated for a known request_uuid, "
    "refused where too many wait.",
    ["outcome"],
)
SUBMIT_SECONDS = Histogram(
    "swarming_frontend_submit_seconds",
    "Observed at each submission that was written: seconds from the checked request to the commit.",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
COMMANDS_GIVEN = Counter(
    "swarming_frontend_commands_given_total",
    "Goes up when a command is written: told when its owner's word came in time, assumed when not, else not_awaited.",
    ["kind", "outcome"],
)
