"""Tell a bot which service account its run has."""

from dataclasses import dataclass

from swarming_botgateway.store.accounts import account_of_run
from swarming_common.database.port import Database
from swarming_common.errors import InvalidInput
from swarming_common.model.request_limits import SERVICE_ACCOUNTS
from swarming_common.model.task_id import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class TellAccount:
    """Serves questions about accounts."""

    database: Database

    async def __call__(self, run: RunId, bot_id: str) -> str:
        """`none`, or `bot` for the bot's own. Raises DatabaseAway, and InvalidInput for a run that is not this bot's or
        not any more, or whose account this server cannot lend."""
        account = await self.database.read(lambda connection: account_of_run(connection, run, bot_id))
        if account is None:
            raise InvalidInput("task_id", f"expected a run that {bot_id} has now")
        if account not in SERVICE_ACCOUNTS:
            raise InvalidInput("account_id", "expected none or bot; this server has no tokens of service accounts")
        return account
