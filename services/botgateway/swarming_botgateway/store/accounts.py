"""Which service accounts runs have."""

from sqlalchemy import Connection, select

from swarming_common.database.tables import task_request, task_run
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId


def account_of_run(connection: Connection, run: RunId, bot_id: str) -> str | None:
    """`none`, `bot` or an address; None for a run that is not this bot's or not any more."""
    query = (
        select(task_request.c.request)
        .join(task_run, task_run.c.task_id == task_request.c.task_id)
        .where(
            task_run.c.task_id == run.task_id,
            task_run.c.run_number == run.number,
            task_run.c.bot_id == bot_id,
            task_run.c.state == int(TaskState.RUNNING),
            task_run.c.revoked.is_(False),
        )
    )
    request = connection.execute(query).scalar_one_or_none()
    return None if request is None else str(request.get("service_account", "none"))
