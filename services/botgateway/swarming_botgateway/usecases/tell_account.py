"""Tell a bot which service account its run has."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from swarming_common.database.port import Database
from swarming_common.database.tables import task_request, task_run
from swarming_common.errors import InvalidInput
from swarming_common.model.request_limits import SERVICE_ACCOUNTS
from swarming_common.model.states import TaskState
from swarming_common.model.task_id import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class TellAccount:
    """Serves questions about accounts."""

    database: Database

    async def __call__(self, run: RunId, bot_id: str) -> str:
        """`none`, or `bot` for the bot's own. Raises DatabaseAway, and InvalidInput for a run that is not this bot's or
        not any more, or whose account this server cannot lend."""
        account = await self.database.read(lambda connection: _account_of(connection, run, bot_id))
        if account is None:
            raise InvalidInput("task_id", f"expected a run that {bot_id} has now")
        if account not in SERVICE_ACCOUNTS:
            raise InvalidInput("account_id", "expected none or bot; this server has no tokens of service accounts")
        return account


def _account_of(connection: Connection, run: RunId, bot_id: str) -> str | None:
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
